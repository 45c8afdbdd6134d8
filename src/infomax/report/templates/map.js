// Show the image under the pointer, and bring forward the classes that are chosen.
function showMap({ points, labels, names, columns }) {
  const map = document.getElementById("map"), svg = map.querySelector("svg"), ring = document.getElementById("ring");
  const circles = [...svg.querySelectorAll("circle")].slice(0, points.length);
  const tip = document.getElementById("tip"), picture = tip.querySelector(".p"), caption = tip.querySelector("div");
  const shown = new Set();
  const hide = () => { tip.style.display = "none"; ring.style.opacity = 0; };
  const nearest = (x, y) => {
    let best = -1, least = 25 * 25;
    points.forEach(([px, py], i) => {
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least && (!shown.size || shown.has(labels[i]))) { best = i; least = far; }
    });
    return best;
  };
  const show = event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const i = nearest(at.x, at.y);
    if (i < 0) return hide();
    ring.setAttribute("cx", points[i][0]); ring.setAttribute("cy", points[i][1]); ring.style.opacity = 1;
    picture.style.setProperty("--x", i % columns); picture.style.setProperty("--y", Math.floor(i / columns));
    caption.textContent = names[labels[i]] ?? "";
    tip.style.display = "block";
    const frame = map.getBoundingClientRect();
    const x = event.clientX - frame.left + 16, y = event.clientY - frame.top + 16;
    tip.style.left = Math.min(x, frame.width - tip.offsetWidth) + "px";
    tip.style.top = (y + tip.offsetHeight > frame.height ? y - tip.offsetHeight - 32 : y) + "px";
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerleave", hide);
  map.querySelectorAll(".legend button").forEach(button => button.addEventListener("click", () => {
    const one = Number(button.dataset.class), on = !shown.has(one);
    on ? shown.add(one) : shown.delete(one);
    button.setAttribute("aria-pressed", on);
    map.classList.toggle("chosen", shown.size > 0);
    circles.forEach((circle, i) => circle.classList.toggle("on", shown.has(labels[i])));
  }));
}
