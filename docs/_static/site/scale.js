/* What many images or rows cost, with assumptions to change, on the page about scale.
   tests/test_site.py compares `cost` with the formula. Without scripts the page names the formula and no form. */

"use strict";

const ASSUMPTIONS = [
  ["number", "Images or rows"],
  ["passes", "Passes over them"],
  ["rate", "A second, for each worker"],
  ["workers", "Workers: GPUs or cores"],
  ["efficiency", "Efficiency of all together, 0 to 1"],
  ["price", "Price of an hour of a worker"],
  ["bytes", "Bytes of each"],
];

const STARTS = {
  images: { number: 1e9, passes: 1, rate: 18220, workers: 8, efficiency: 1, price: 2.5, bytes: 3072 },
  rows: { number: 1e11, passes: 1, rate: 250000, workers: 1, efficiency: 1, price: 0.05, bytes: 52 },
};

function cost({ number, passes, rate, workers, efficiency, price, bytes }) {
  const hours = (number * passes) / (rate * workers * efficiency) / 3600;
  return { hours, money: hours * workers * price, terabytes: (number * bytes) / 1e12 };
}

function told(assumptions) {
  const { hours, money, terabytes } = cost(assumptions);
  if (![hours, money, terabytes].every((value) => Number.isFinite(value) && value >= 0)) {
    return "Expected numbers above 0";
  }
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
  return `${short(hours)} hours, ${short(money)} dollars, ${short(terabytes)} TB`;
}

function equipCalculator(place) {
  const kind = place.dataset.calculator;
  const inputs = ASSUMPTIONS.map(
    ([name, label]) =>
      `<label for="${kind}-${name}">${label}</label>` +
      `<input id="${kind}-${name}" name="${name}" type="number" min="0" step="any" value="${STARTS[kind][name]}">`
  );
  place.innerHTML = `<form class="calculator">${inputs.join("")}<output aria-live="polite"></output></form>`;
  const form = place.querySelector("form");
  const show = () => {
    const given = Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, parseFloat(text)]));
    form.querySelector("output").textContent = told(given);
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
}

if (typeof document !== "undefined") {
  document.addEventListener("DOMContentLoaded", () =>
    document.querySelectorAll("[data-calculator]").forEach(equipCalculator)
  );
}
if (typeof module !== "undefined") {
  module.exports = { cost, told, STARTS };
}
