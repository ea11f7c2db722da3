// A form made from what the model tells about itself; requests go out as Open Inference Protocol v2.
// Numbers stay the digits that were typed: JSON text is put together here, since JavaScript's own numbers round.
"use strict";

const by = (id) => document.getElementById(id);
const MANY = 64; // inputs a grid may have
const SHOWN = 200; // values of an output that are shown
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const WORDS = new Set(["NaN", "Infinity", "-Infinity"]);
let model = null; // {name, inputs, outputs, parameters}, as the server describes it
let fields = []; // {tensor: () => JSON text of one tensor, or throws Wrong}
let ids = 0;

class Wrong extends Error {
  constructor(control, sentence) { super(sentence); this.control = control; }
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

async function get(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error || `${path}: ${response.status}`);
  return body;
}

// The models, and the form of the chosen one.

async function start() {
  const [listed, described] = await Promise.all([get("v2/models"), get("openapi.json")]);
  const names = listed.models.map((entry) => (typeof entry === "string" ? entry : entry.name));
  by("model").append(...names.map((name) => make("option", { value: name }, name)));
  by("choice").hidden = names.length < 2;
  const wanted = new URLSearchParams(location.search).get("model");
  if (names.includes(wanted)) by("model").value = wanted;
  by("model").addEventListener("change", () => choose(by("model").value, described).catch(told));
  by("form").addEventListener("submit", (event) => { event.preventDefault(); predict(); });
  by("form").addEventListener("input", compose);
  by("by-hand").addEventListener("change", () => { by("body").readOnly = !by("by-hand").checked; compose(); });
  document.querySelector("main").hidden = false;
  await choose(by("model").value || names[0], described);
}

async function choose(name, described) {
  const button = by("form").querySelector("button");
  button.disabled = true; // the form of the model before, or none yet: what it would ask is not what is seen
  model = await get(`v2/models/${encodeURIComponent(name)}`);
  const post = described.paths[`/v2/models/${name}/infer`];
  const example = post && post.post.requestBody.content["application/json"].example;
  const row = described.components.schemas[`${name}.row`];
  const records = Boolean(row && row.additionalProperties && !row.properties);
  by("about").textContent = `${name}: ${model.parameters.framework}, version ${model.versions[0]}`;
  document.title = `Try ${name}`;
  by("endpoint").textContent = `POST ${new URL(endpoint(), location.href)}`;
  by("by-hand").checked = false;
  by("body").readOnly = true;
  const inputs = by("inputs");
  inputs.replaceChildren(inputs.querySelector("legend"));
  fields = model.inputs.map((field, i) => input(field, example && example.inputs[i], records, inputs));
  if (fields.length > 1) inputs.append(make("p", { class: "about" }, "An empty field is a missing value."));
  const outputs = by("outputs");
  outputs.replaceChildren(outputs.querySelector("legend"), ...model.outputs.map(output));
  outputs.hidden = model.outputs.length < 2;
  show(null);
  compose();
  button.disabled = false;
}

const endpoint = () => `v2/models/${encodeURIComponent(model.name)}/infer`;

function output(field, i) {
  const id = `output-${i}`;
  const box = make("input", { type: "checkbox", id, value: field.name, checked: i === 0 || model.outputs.length < 5 });
  return make("p", {}, box, " ", make("label", { for: id }, field.name));
}

// One input: single values, a short row of numbers, or JSON for all else.

function input(field, example, records, parent) {
  const sizes = field.shape.slice(1);
  const single = field.shape.length <= 1 || (sizes.length === 1 && sizes[0] === 1);
  if (records) return asJson(field, '{"key": 1}', parent, (text) => JSON.stringify(text), "an object of free keys");
  if (single) return asValue(field, example, parent);
  if (sizes.length === 1 && sizes[0] > 0 && sizes[0] <= MANY && field.datatype !== "BYTES") return asGrid(field, sizes[0], example, parent);
  const dims = sizes.map((size) => (size < 0 ? 1 : size));
  const given = example && example.data.length === dims.reduce((a, b) => a * b, 1) ? [...example.data] : null;
  return asJson(field, nested(dims, given, field.datatype), parent, (text) => text, `lists of shape [${sizes.join(", ")}]`);
}

function nested(dims, values, datatype) {
  const zero = datatype === "BYTES" ? '""' : datatype === "BOOL" ? "false" : "0";
  if (dims.length === 0) return values ? JSON.stringify(values.shift()) : zero;
  return `[${Array.from({ length: dims[0] }, () => nested(dims.slice(1), values, datatype)).join(dims.length > 1 ? ",\n" : ", ")}]`;
}

function asValue(field, example, parent) {
  const value = example && example.data.length === 1 ? example.data[0] : "";
  const id = `input-${ids++}`;
  const labels = field.parameters.labels;
  let control;
  if (field.datatype === "BOOL") {
    control = make("select", { id }, make("option", { value: "false" }, "false"), make("option", { value: "true" }, "true"));
  } else if (field.datatype === "BYTES" && model.inputs.length === 1) {
    control = make("textarea", { id, rows: 4 });
  } else {
    control = make("input", { id, autocomplete: "off", list: labels ? `${id}-labels` : undefined });
  }
  control.value = String(value);
  const line = described(field, id, control, field.datatype === "UNKNOWN" ? "a number or text" : field.datatype, model.inputs.length === 1);
  if (labels) line.append(make("datalist", { id: `${id}-labels` }, ...labels.map((label) => make("option", { value: label }))));
  parent.append(line);
  const shape = field.shape.length === 2 ? [1, 1] : field.shape.length === 0 ? [] : [1];
  return { tensor: () => tensor(field, kindOf(field, control.value), shape, token(control, field.datatype)) };
}

function asGrid(field, count, example, parent) {
  const given = example && example.data.length === count ? example.data : [];
  const grid = make("div", { class: "grid", role: "group", "aria-label": field.name });
  const controls = Array.from({ length: count }, (_, i) => {
    const id = `input-${ids++}`;
    const control = make("input", { id, inputmode: "decimal", autocomplete: "off" });
    control.value = String(given[i] ?? 0);
    grid.append(make("div", { class: "field" }, make("label", { for: id }, String(i)), control, wrongLine(id)));
    return control;
  });
  parent.append(make("p", { class: "about" }, `${field.name}: ${field.datatype}, ${count} values`), grid);
  return { tensor: () => tensor(field, field.datatype === "UNKNOWN" ? "FP64" : field.datatype, [1, count], controls.map((c) => token(c, field.datatype)).join(", ")) };
}

function asJson(field, text, parent, write, what) {
  const id = `input-${ids++}`;
  const control = make("textarea", { id, rows: 8, spellcheck: "false" });
  control.value = text;
  parent.append(described(field, id, control, `${field.datatype}; one row as JSON: ${what}`, true));
  return {
    tensor: () => {
      const found = shapeOf(control);
      const records = found === null;
      return tensor(field, records ? "BYTES" : kindOf(field, flatFirst(control.value)), records ? [1] : [1, ...found], write(control.value));
    },
  };
}

function described(field, id, control, hint, wide) {
  control.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
  return make("div", { class: wide ? "field wide" : "field" }, make("label", { for: id }, field.name), control, make("small", { id: `${id}-hint` }, hint), wrongLine(id));
}

const wrongLine = (id) => make("span", { class: "wrong", id: `${id}-wrong` });

// From controls to JSON text.

function shapeOf(control) {
  let value;
  try {
    value = JSON.parse(control.value.replace(/-?\b(NaN|Infinity)\b/g, "0"));
  } catch {
    throw new Wrong(control, "This is not valid JSON.");
  }
  if (value !== null && typeof value === "object" && !Array.isArray(value)) return null;
  const shape = [];
  for (; Array.isArray(value); value = value[0]) shape.push(value.length);
  return shape;
}

const flatFirst = (text) => (text.match(/[^[\],\s]+/) || [""])[0].replaceAll('"', "");

function kindOf(field, text) {
  if (field.datatype !== "UNKNOWN") return field.datatype;
  if (text.trim() === "") return "FP64";
  return NUMBER.test(text.trim()) ? (/[.eE]/.test(text) ? "FP64" : "INT64") : "BYTES";
}

function token(control, datatype) {
  const text = control.value.trim();
  if (datatype === "BOOL") return text;
  if (text === "") return model.inputs.length === 1 && datatype === "BYTES" ? '""' : "null";
  if (datatype === "BYTES") return JSON.stringify(control.value);
  if (NUMBER.test(text) || WORDS.has(text)) return text;
  if (datatype === "UNKNOWN") return JSON.stringify(control.value);
  if (Number.isFinite(Number(text))) return String(Number(text));
  throw new Wrong(control, "This is not a number.");
}

function tensor(field, datatype, shape, data) {
  const list = data.startsWith("[") ? `[${data}]` : data;
  return `{"name": ${JSON.stringify(field.name)}, "datatype": "${datatype}", "shape": [${shape.join(", ")}],\n   "data": ${list.startsWith("[") ? list : `[${list}]`}}`;
}

function compose() {
  if (by("by-hand").checked) return true;
  for (const control of document.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    by(`${control.id}-wrong`).textContent = "";
  }
  const chosen = [...by("outputs").querySelectorAll("input:checked")].map((box) => `{"name": ${JSON.stringify(box.value)}}`);
  try {
    const inputs = fields.map((field) => field.tensor());
    const outputs = chosen.length ? `,\n "outputs": [${chosen.join(", ")}]` : "";
    by("body").value = `{"inputs": [\n  ${inputs.join(",\n  ")}]${outputs}}`;
    return true;
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    error.control.setAttribute("aria-invalid", "true");
    by(`${error.control.id}-wrong`).textContent = error.message;
    by("body").value = "";
    return error.control;
  }
}

// The prediction.

async function predict() {
  const ready = compose();
  if (ready !== true) { ready.focus(); return; }
  const button = by("form").querySelector("button");
  button.disabled = true;
  by("problem").textContent = "";
  by("status").textContent = "Asking the model …";
  const begun = performance.now();
  try {
    const response = await fetch(endpoint(), { method: "POST", headers: { "Content-Type": "application/json" }, body: by("body").value });
    const text = await response.text();
    const took = performance.now() - begun;
    const answer = parsed(text);
    show(answer, text);
    if (!response.ok) throw new Error(answer.error || `The server answered ${response.status}.`);
    by("status").textContent = `Answered in ${took < 10 ? took.toFixed(1) : took.toFixed(0)} ms, as seen from this page.`;
  } catch (error) {
    told(error);
  } finally {
    button.disabled = false;
  }
}

// Numbers that JavaScript would round keep their digits, where the browser lets us see them.
const parsed = (text) => JSON.parse(text, (key, value, context) =>
  typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value) && context && context.source ? context.source : value);

function told(error) {
  by("status").textContent = "";
  by("problem").textContent = error.message;
}

function show(answer, text = "") {
  by("status").textContent = by("problem").textContent = "";
  by("raw").hidden = answer === null;
  by("raw-body").textContent = text;
  by("answer").replaceChildren(...((answer && answer.outputs) || []).flatMap(shown));
}

function shown(tensor) {
  const title = make("h3", {}, `${tensor.name} · ${tensor.datatype} · [${tensor.shape.join(", ")}]`);
  const known = model.outputs.find((field) => field.name === tensor.name);
  const labels = known && known.parameters.labels;
  if (tensor.data.length === 1) return [title, make("p", { class: "value" }, written(tensor.data[0]))];
  const scores = tensor.shape.length === 2 && tensor.shape[0] === 1;
  const shares = scores && tensor.data.every((value) => typeof value === "number" && value >= 0 && value <= 1);
  const rows = tensor.data.slice(0, SHOWN).map((value, i) => {
    const name = labels && scores && labels.length === tensor.data.length ? labels[i] : place(i, tensor.shape);
    const bar = shares ? [make("td", {}, make("meter", { min: 0, max: 1, value, "aria-label": `${name}: ${value}` }))] : [];
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, written(value)), ...bar);
  });
  const more = tensor.data.length > SHOWN ? [make("p", { class: "about" }, `and ${tensor.data.length - SHOWN} more values`)] : [];
  return [title, make("table", {}, make("tbody", {}, ...rows)), ...more];
}

const written = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));

function place(i, shape) {
  const indices = [];
  for (let axis = shape.length - 1; axis >= 0; axis--) { indices.unshift(i % shape[axis]); i = Math.floor(i / shape[axis]); }
  return `[${indices.join(", ")}]`;
}

start().catch(told_at_start);

function told_at_start(error) {
  by("about").textContent = `${error.message} Reload this page in a moment.`;
}
