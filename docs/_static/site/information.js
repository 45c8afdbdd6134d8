/* Two formulas of the story under a slider: the entropy of a coin and the capacity of a binary symmetric channel.
   tests/test_site.py compares the functions with the library. Without scripts the figures stay as they are. */

"use strict";

function surprise(p) {
  return p > 0 ? -p * Math.log2(p) : 0;
}

function coinEntropy(p) {
  return surprise(p) + surprise(1 - p);
}

function channelCapacity(error) {
  return 1 - coinEntropy(error);
}

const SLIDERS = {
  coin: {
    curve: coinEntropy,
    label: "Probability of heads",
    start: 0.75,
    say: (p, bits) => `Heads ${percent(p)}, tails ${percent(1 - p)}: entropy ${bits.toFixed(3)} bits`,
  },
  channel: {
    curve: channelCapacity,
    label: "Probability that a bit is flipped",
    start: 0.1,
    say: (error, bits) => `Flipped ${percent(error)} of the time: capacity ${bits.toFixed(3)} bits a use`,
  },
};

function percent(p) {
  return `${Math.round(100 * p)} %`;
}

/* Figures draw p from 0 to 1 between x = 60 and 360, and bits from 0 to 1 between y = 190 and 30. */
function place(p, bits) {
  return { x: 60 + 300 * p, y: 190 - 160 * bits };
}

function move(figure, controls, slider, p) {
  const bits = slider.curve(p);
  const { x, y } = place(p, bits);
  const dot = figure.querySelector("[data-part=dot]");
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", y);
  const drop = figure.querySelector("[data-part=drop]");
  drop.setAttribute("x1", x);
  drop.setAttribute("x2", x);
  drop.setAttribute("y1", y);
  controls.querySelector("output").textContent = slider.say(p, bits);
}

function equip(figure) {
  const slider = SLIDERS[figure.dataset.slider];
  const controls = document.createElement("div");
  const name = `slider-${figure.dataset.slider}`;
  controls.className = "slider";
  controls.innerHTML =
    `<label for="${name}">${slider.label}</label>` +
    `<input id="${name}" type="range" min="0" max="1" step="0.01" value="${slider.start}">` +
    `<output for="${name}" aria-live="polite"></output>`;
  figure.insertAdjacentElement("afterend", controls);
  const input = controls.querySelector("input");
  input.addEventListener("input", () => {
    input.setAttribute("aria-valuetext", percent(input.valueAsNumber));
    move(figure, controls, slider, input.valueAsNumber);
  });
  move(figure, controls, slider, slider.start);
}

if (typeof document !== "undefined") {
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-slider]").forEach(equip));
}
if (typeof module !== "undefined") {
  module.exports = { coinEntropy, channelCapacity, place };
}
