/* What is seen of a labelling lab. Python holds the labels and corrects them (widget.py, lab.py);
   here the mouse and the keys only say where. Places are y, x in pixels of the image. */
const TOOLS = {
  remove: ["r", "Click an object to remove it."],
  add: ["a", "Draw around an object, or click corners and close at the first; Enter sets corners, too."],
  cut: ["c", "Draw across an object, or click on either side of it."],
  join: ["j", "Click two pieces of one object."],
};
const ACTS = { undo: "u", previous: "p", next: "n", teach: "t", save: "s" };
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function make(tag, settings = {}, ...inside) {
  const { aria = {}, ...own } = settings;
  const node = Object.assign(document.createElement(tag), own);
  Object.entries(aria).forEach(([name, value]) => node.setAttribute(name, value));
  node.append(...inside);
  return node;
}

function render({ model, el }) {
  let tool = "remove", zoom = 3, pending = [], drawing = null, over = null, cross = null, shapes = [];
  const state = () => model.get("state"), busy = () => model.get("fraction") >= 0;
  const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const send = (what, places = []) => { if (!busy()) model.send({ do: what, places }); };
  const name = (word, key) => [word[0].toUpperCase() + word.slice(1) + " ", make("kbd", { textContent: key })];
  const button = (word, key, press) => make(
    "button", { type: "button", onclick: press, aria: { "aria-keyshortcuts": key } }, ...name(word, key));

  const tools = Object.fromEntries(Object.entries(TOOLS).map(
    ([word, [key]]) => [word, button(word, key, () => choose(word))]));
  const acts = Object.entries(ACTS).map(([word, key]) => button(word, key, () => send(word)));
  const range = (least, most, step, value, change) => make("input", {
    type: "range", min: least, max: most, step, value, oninput: e => change(+e.target.value) });
  const light = range(0.5, 8, 0.1, 1, value => { picture.style.filter = `brightness(${value})`; });
  const size = range(1, 8, 1, zoom, value => { zoom = value; draw(); });
  const picture = make("img", { alt: "" });
  const canvas = make("canvas", { tabIndex: 0, aria: { role: "application" } });
  const help = make("p"), status = make("p", { aria: { role: "status" } }), counts = make("p");
  const bar = make("progress", { max: 1, aria: { "aria-label": "Teaching" } });
  const lab = make("div", { className: "aim-lab", aria: { role: "group", "aria-label": "Labelling lab",
    "data-lm-suppress-shortcuts": "true" } },
    make("div", { aria: { role: "group", "aria-label": "Tools" } }, ...Object.values(tools)),
    make("div", { aria: { role: "group", "aria-label": "Actions" } }, ...acts, bar),
    make("div", {}, make("label", {}, "Light ", light), make("label", {}, "Zoom ", size)), help,
    make("div", { className: "aim-lab-scroll" }, make("div", { className: "aim-lab-stage" }, picture, canvas)),
    status, counts);

  function choose(word) {
    tool = word; pending = [];
    Object.entries(tools).forEach(([each, b]) => b.setAttribute("aria-pressed", each === word));
    help.textContent = TOOLS[word][1] + (word === "add" && state().grow ? " One click lets the object grow." : "");
    draw();
  }
  function under(place) {
    const pen = canvas.getContext("2d");
    pen.resetTransform();  // it would move the paths, but not the point
    const found = shapes.find(([, path]) => pen.isPointInPath(path, place[1], place[0], "evenodd"));
    return found ? found[0] : null;
  }
  function draw() {
    const { height, width, field, fields, objects } = state(), dots = window.devicePixelRatio || 1;
    const pen = canvas.getContext("2d"), scale = zoom * dots;
    for (const layer of [picture, canvas]) layer.style.cssText += `;width:${width * zoom}px;height:${height * zoom}px`;
    canvas.width = width * scale; canvas.height = height * scale;
    const line = (path, colour, wide) => {
      for (const [c, w] of [["#000a", wide + 2], [colour, wide]]) {
        pen.setTransform(scale, 0, 0, scale, 0, 0);
        pen.strokeStyle = c; pen.lineWidth = w / zoom; pen.stroke(path);
      }
    };
    shapes.forEach(([id, path]) => line(path, id === over ? "#4dd2ff" : "#ffd60a", id === over ? 3 : 1.5));
    const way = drawing || pending, trace = new Path2D();
    way.forEach(([y, x], k) => k ? trace.lineTo(x, y) : trace.moveTo(x, y));
    way.forEach(([y, x]) => { if (way === pending) trace.rect(x - 1, y - 1, 2, 2); });
    line(trace, "#fff", 1.5);
    if (cross) line(new Path2D(`M${cross[1]} 0V${height}M0 ${cross[0]}H${width}`), "#ff8ad8", 1);
    canvas.setAttribute("aria-label", `Field ${field} of ${fields} with ${objects} outlined objects. Tool: ${tool}. `
      + "Arrow keys move a cross-hair, with Shift by ten pixels; Enter applies the tool.");
  }
  function click(place) {
    if (tool === "remove" || (tool === "add" && state().grow)) return send(tool, [place]);
    const closes = tool === "add" && pending.length > 2 && (far(place, pending[0]) < 9 / zoom || !far(place, pending.at(-1)));
    if (!closes) pending.push(place);
    if (closes || (tool !== "add" && pending.length === 2)) { send(tool, pending); pending = []; }
    draw();
  }
  const at = e => {
    const box = canvas.getBoundingClientRect();
    return [(e.clientY - box.top) / zoom, (e.clientX - box.left) / zoom].map(v => Math.round(v * 10) / 10);
  };
  canvas.onpointerdown = e => { canvas.setPointerCapture(e.pointerId); cross = null; drawing = [at(e)]; };
  canvas.onpointermove = e => {
    const place = at(e);
    if (drawing && far(place, drawing.at(-1)) >= 0.5) drawing.push(place);
    over = under(place); draw();
  };
  canvas.onpointerup = e => {
    const way = drawing || []; drawing = null;
    const dragged = (tool === "add" || tool === "cut") && way.some(place => far(place, way[0]) > 9 / zoom);
    if (dragged) { pending = []; send(tool, way); draw(); } else if (way.length) click(way[0]);
  };
  canvas.onpointercancel = () => { drawing = null; draw(); };
  lab.onkeydown = e => {
    e.stopPropagation();  // notebooks have keys of their own
    if (e.target.type === "range" || e.ctrlKey || e.metaKey || e.altKey) return;
    const word = Object.keys(TOOLS).find(each => TOOLS[each][0] === e.key);
    const act = Object.keys(ACTS).find(each => ACTS[each] === e.key);
    if (word) choose(word);
    else if (act) send(act);
    else if (e.target === canvas && e.key === "Escape") { pending = []; draw(); }
    else if (e.target === canvas && e.key === "Enter" && cross) click([...cross]);
    else if (e.target === canvas && STEPS[e.key]) move(STEPS[e.key], e.shiftKey ? 10 : 1);
    else return;
    e.preventDefault();
  };
  function move([down, right], by) {
    const { height, width } = state(), keep = (value, most) => Math.min(Math.max(value, 0.5), most - 0.5);
    cross = cross ? [keep(cross[0] + down * by, height), keep(cross[1] + right * by, width)]
      : [Math.floor(height / 2) + 0.5, Math.floor(width / 2) + 0.5];
    over = under(cross); draw();
    status.textContent = `Row ${Math.floor(cross[0])}, column ${Math.floor(cross[1])}, ${over ? "object " + over : "background"}.`;
  }
  function show() {
    picture.src = model.get("picture");
    shapes = model.get("outlines").map(([id, d]) => [id, new Path2D(d)]);
    pending = []; over = null; status.textContent = state().message; counts.textContent = state().counts;
    draw();
  }
  function teach() {
    bar.hidden = !busy(); bar.value = Math.max(model.get("fraction"), 0);
    [...Object.values(tools), ...acts].forEach(b => b.setAttribute("aria-disabled", busy()));
  }
  model.on("change:state", show);
  model.on("change:fraction", teach);
  el.append(lab); choose(tool); show(); teach();
  return () => { model.off("change:state", show); model.off("change:fraction", teach); };
}

export default { render };
