// Show the image under the pointer, colour the points by classes or by groups, and bring forward what is chosen.
function showMap(id, { points, colourings, columns, captions }) {
  const map = document.getElementById(id), svg = map.querySelector("svg"), ring = map.querySelector(".ring");
  const circles = [...svg.querySelectorAll("circle")].slice(0, points.length);
  const tip = map.querySelector(".tip"), picture = tip.querySelector(".p"), caption = tip.querySelector("div");
  const legends = [...map.querySelectorAll(".legend")], shown = new Set();
  let by = colourings[0] ?? { of: [], names: {}, colours: {} };
  const hide = () => { tip.style.display = "none"; ring.style.opacity = 0; };
  const nearest = (x, y) => {
    let best = -1, least = 25 * 25;
    points.forEach(([px, py], i) => {
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least && (!shown.size || shown.has(by.of[i]))) { best = i; least = far; }
    });
    return best;
  };
  const show = event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const i = nearest(at.x, at.y);
    if (i < 0) return hide();
    ring.setAttribute("cx", points[i][0]); ring.setAttribute("cy", points[i][1]); ring.style.opacity = 1;
    picture.style.setProperty("--x", i % columns); picture.style.setProperty("--y", Math.floor(i / columns));
    caption.textContent = [captions?.[i], ...colourings.map(one => one.names[one.of[i]])].filter(Boolean).join(", ");
    tip.style.display = "block";
    const frame = map.getBoundingClientRect();
    const x = event.clientX - frame.left + 16, y = event.clientY - frame.top + 16;
    tip.style.left = Math.min(x, frame.width - tip.offsetWidth) + "px";
    tip.style.top = (y + tip.offsetHeight > frame.height ? y - tip.offsetHeight - 32 : y) + "px";
  };
  const bringForward = () => {
    map.classList.toggle("chosen", shown.size > 0);
    circles.forEach((circle, i) => circle.classList.toggle("on", shown.has(by.of[i])));
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", hide);
  map.querySelectorAll(".legend button").forEach(button => button.addEventListener("click", () => {
    const one = Number(button.dataset.key), on = !shown.has(one);
    on ? shown.add(one) : shown.delete(one);
    button.setAttribute("aria-pressed", on);
    bringForward();
  }));
  map.querySelectorAll(".by button").forEach((button, number, all) => button.addEventListener("click", () => {
    by = colourings[number];
    all.forEach(one => one.setAttribute("aria-pressed", one === button));
    legends.forEach((legend, i) => { legend.hidden = i !== number; });
    map.querySelectorAll(".legend button").forEach(one => one.setAttribute("aria-pressed", false));
    shown.clear();
    bringForward();
    circles.forEach((circle, i) => circle.setAttribute("fill", by.colours[by.of[i]] ?? "#8a8f95"));
  }));
}
