// A map of pictures. Point at it, search it, zoom into it, choose classes or groups, and keep one to see its neighbours.
// By keyboard: arrows go from point to point, Enter keeps one, + and − zoom, Escape shows the whole map again.
function showMap(id, { points, colourings, columns, captions, near }) {
  const WHOLE = 1030, GREY = "#8a8f95", FAR = 25;
  const map = document.getElementById(id), svg = map.querySelector("svg"), find = map.querySelector("input");
  const circles = [...svg.querySelectorAll(".points circle")], radius = Number(circles[0].getAttribute("r"));
  const ring = svg.querySelector(".ring"), links = svg.querySelector(".links");
  const tip = map.querySelector(".tip"), status = map.querySelector(".status"), kept = map.querySelector(".kept");
  const legends = [...map.querySelectorAll(".legend")], keys = [...map.querySelectorAll(".legend button")];
  const chosen = new Set(), view = { x: -15, y: -15, side: WHOLE };
  let by = colourings[0] ?? { of: [], names: {}, colours: {} }, at = -1, shown = points.map(() => true), drag = null;

  const words = i => [captions?.[i], ...colourings.map(one => one.names[one.of[i]])].filter(Boolean).join(", ");
  const place = (picture, i) => {
    picture.style.setProperty("--x", i % columns);
    picture.style.setProperty("--y", Math.floor(i / columns));
  };
  const onMap = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());

  // what is shown ------------------------------------------------------------------------------------------
  const choose = () => {
    const text = find.value.trim().toLowerCase(), some = text || chosen.size;
    const found = namesWith(points.map((_, i) => words(i).toLowerCase()), text);
    shown = points.map((_, i) => (!chosen.size || chosen.has(by.of[i])) && found[i]);
    map.classList.toggle("chosen", Boolean(some));
    circles.forEach((circle, i) => circle.classList.toggle("on", shown[i]));
    status.textContent = some ? `${shown.filter(Boolean).length} of ${points.length} are shown in full colour.` : "";
  };
  const zoom = (factor, x = view.x + view.side / 2, y = view.y + view.side / 2) => {
    const side = Math.min(WHOLE, Math.max(40, view.side / factor)), inside = low => Math.min(WHOLE - 15 - side, Math.max(-15, low));
    view.x = inside(x - (x - view.x) * side / view.side);
    view.y = inside(y - (y - view.y) * side / view.side);
    view.side = side;
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${side} ${side}`);
    circles.forEach(circle => circle.setAttribute("r", radius * Math.sqrt(side / WHOLE)));
    ring.setAttribute("r", (radius + 5) * Math.sqrt(side / WHOLE));
    svg.classList.toggle("zoomed", side < WHOLE);
  };

  // one point ----------------------------------------------------------------------------------------------
  const leave = () => { tip.style.display = "none"; ring.style.opacity = 0; at = -1; };
  const goTo = i => {
    at = i;
    ring.setAttribute("cx", points[i][0]); ring.setAttribute("cy", points[i][1]); ring.style.opacity = 1;
    place(tip.querySelector(".p"), i);
    tip.querySelector("div").textContent = words(i);
    tip.style.display = "block";
    const spot = new DOMPoint(...points[i]).matrixTransform(svg.getScreenCTM()), frame = map.getBoundingClientRect();
    const x = spot.x - frame.left + 16, y = spot.y - frame.top + 16;
    tip.style.left = `${Math.max(0, Math.min(x, frame.width - tip.offsetWidth))}px`;
    tip.style.top = `${y + tip.offsetHeight > frame.height ? y - tip.offsetHeight - 32 : y}px`;
  };
  const nearest = (x, y, limit, allowed = () => true) => {
    let best = -1, least = limit ** 2;
    points.forEach(([px, py], i) => {
      const far = (px - x) ** 2 + (py - y) ** 2;
      if (far < least && shown[i] && allowed(px - x, py - y)) { best = i; least = far; }
    });
    return best;
  };
  const cell = (i, name) => {
    const button = document.createElement("button"), picture = document.createElement("i"), text = document.createElement("span");
    button.type = "button"; button.className = "cell"; button.title = words(i);
    picture.className = "p"; place(picture, i);
    text.textContent = name;
    button.append(picture, text);
    button.addEventListener("click", () => keep(i));
    return button;
  };
  const keep = i => {
    goTo(i);
    const line = j => `<line x1="${points[i][0]}" y1="${points[i][1]}" x2="${points[j][0]}" y2="${points[j][1]}"/>`;
    links.innerHTML = near[i].map(line).join("");
    const name = j => by.names[by.of[j]] ?? captions?.[j] ?? `${j + 1}`;
    kept.querySelector("p").textContent = `${words(i) || `number ${i + 1}`}, and what lies nearest to it by its features:`;
    kept.querySelector(".row").replaceChildren(cell(i, name(i)), ...near[i].map(j => cell(j, name(j))));
    kept.hidden = false;
    status.textContent = `${near[i].length} nearest are shown below the map.`;
  };
  const drop = () => { links.innerHTML = ""; kept.hidden = true; status.textContent = ""; leave(); };

  // pointer ------------------------------------------------------------------------------------------------
  svg.addEventListener("pointerdown", event => {
    drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  svg.addEventListener("pointermove", event => {
    if (drag && view.side < WHOLE && event.buttons) {
      const scale = view.side / svg.getBoundingClientRect().width, x = event.clientX - drag.x, y = event.clientY - drag.y;
      if (drag.moved || Math.hypot(x, y) > 4) {
        drag = { x: event.clientX, y: event.clientY, moved: true };
        view.x -= x * scale; view.y -= y * scale;
        zoom(1);
        return leave();
      }
    }
    const { x, y } = onMap(event), i = nearest(x, y, FAR);
    i < 0 ? leave() : goTo(i);
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("click", event => {
    const { x, y } = onMap(event), i = nearest(x, y, FAR);
    if (!drag?.moved) i < 0 ? drop() : keep(i);
    drag = null;
  });
  svg.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const { x, y } = onMap(event);
    zoom(event.deltaY < 0 ? 1.25 : 0.8, x, y);
  }, { passive: false });

  // keyboard, buttons, search ------------------------------------------------------------------------------
  const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = ([right, down]) => {
    if (at < 0) return nearest(view.x + view.side / 2, view.y + view.side / 2, 2 * WHOLE);
    const along = (dx, dy) => dx * right + dy * down, across = (dx, dy) => Math.abs(dx * down + dy * right);
    return nearest(...points[at], 2 * WHOLE, (dx, dy) => along(dx, dy) > 0 && along(dx, dy) >= across(dx, dy));
  };
  svg.addEventListener("keydown", event => {
    if (event.key in DIRECTIONS) {
      const i = step(DIRECTIONS[event.key]);
      if (i >= 0) { goTo(i); status.textContent = words(i) || `number ${i + 1}`; }
    } else if (event.key === "Enter" && at >= 0) keep(at);
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5, ...(points[at] ?? []));
    else if (event.key === "Escape") { drop(); zoom(0.001); }
    else return;
    event.preventDefault();
  });
  svg.addEventListener("blur", leave);
  map.querySelectorAll("[data-zoom]").forEach(button => button.addEventListener("click", () => zoom(Number(button.dataset.zoom))));
  find.addEventListener("input", choose);
  keys.forEach(button => button.addEventListener("click", () => {
    const key = Number(button.dataset.key), on = !chosen.has(key);
    on ? chosen.add(key) : chosen.delete(key);
    button.setAttribute("aria-pressed", on);
    choose();
  }));
  map.querySelectorAll(".by button").forEach((button, number, all) => button.addEventListener("click", () => {
    by = colourings[number];
    all.forEach(one => one.setAttribute("aria-pressed", one === button));
    legends.forEach((legend, i) => { legend.hidden = i !== number; });
    keys.forEach(one => one.setAttribute("aria-pressed", false));
    chosen.clear();
    choose();
    circles.forEach((circle, i) => circle.setAttribute("fill", by.colours[by.of[i]] ?? GREY));
  }));
}

// Which names hold a text, numbers whole; where none does, those that hold it as a part of a number.
function namesWith(names, text) {
  const whole = names.map(name => hasText(name, text));
  return whole.some(Boolean) ? whole : names.map(name => name.includes(text));
}

// Numbers are found whole: "group 1" is not in "group 10".
function hasText(name, text) {
  const around = [/^\d/.test(text) ? "(?<!\\d)" : "", /\d$/.test(text) ? "(?!\\d)" : ""];
  return new RegExp(around.join(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).test(name);
}
