"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const place = "judging:" + data.sheet;
const videos = new Map(data.items.map(item => [item.video, item]));
const questions = Object.keys(data.keys);
let state = {judge: "", at: 0, answers: {}};

function trouble(text) { at("trouble").textContent = text; at("trouble").hidden = !text; }

function keep() {
  try { localStorage.setItem(place, JSON.stringify(state)); }
  catch { trouble("This browser keeps nothing for this page: save your answers before you close it."); }
}

function empty() { return {chosen: {}, errors: {A: [], B: []}}; }
function current() { return data.items[state.at]; }
function answered(item) { const given = state.answers[item.video]; return Boolean(given) && questions.every(name => name in given.chosen); }

// Why a value is no file of answers to this sheet; "" if it is one.
function problem(value) {
  const isObject = part => typeof part === "object" && part !== null && !Array.isArray(part);
  if (!isObject(value) || !isObject(value.answers) || typeof value.judge !== "string" || !value.judge.trim()) return "it holds no answers";
  if (value.kind !== "person") return "its answers are not a person's";
  if (value.sheet !== data.sheet) return "it has answers to another sheet";
  for (const [video, given] of Object.entries(value.answers)) {
    if (!videos.has(video)) return "it has an answer about " + video + ", which is not on this sheet";
    if (!isObject(given) || !isObject(given.chosen) || !isObject(given.errors)) return "its answer about " + video + " is none";
    const chosen = Object.entries(given.chosen).every(([name, choice]) => questions.includes(name) && data.choices.includes(choice));
    const marked = Object.entries(given.errors).every(([side, marks]) =>
      ["A", "B"].includes(side) && Array.isArray(marks) && new Set(marks).size === marks.length && marks.every(mark => data.marks.includes(mark)));
    if (!chosen || !marked) return "its answer about " + video + " has something that was not asked";
  }
  return "";
}

function show() {
  const begun = Boolean(state.judge);
  at("start").hidden = begun;
  at("main").hidden = !begun;
  for (const id of ["export", "other"]) at(id).disabled = !begun;
  at("judge").textContent = begun ? "Judge: " + state.judge : "";
  const done = data.items.filter(answered).length;
  at("progress").value = done;
  at("told").textContent = done + " of " + data.items.length + " answered" + (done === data.items.length ? ": save your answers" : "");
  if (!begun) return;
  const item = current(), given = state.answers[item.video] || empty();
  at("which").textContent = "Video " + (state.at + 1) + " of " + data.items.length + ": " + item.video;
  if (at("frames").dataset.video !== item.video) {
    at("frames").dataset.video = item.video;
    at("frames").replaceChildren(...item.frames.map((frame, number) => {
      const image = new Image();
      image.src = "data:image/jpeg;base64," + frame;
      image.alt = "frame " + (number + 1) + " of " + item.frames.length;
      return image;
    }));
    at("text").textContent = item.text || "There is no text of this video.";
  }
  for (const side of ["A", "B"]) {
    const said = at("said-" + side), text = item.summaries[side];
    said.textContent = text.trim() ? text : "This system wrote nothing.";
    said.classList.toggle("nothing", !text.trim());
  }
  for (const input of document.querySelectorAll("input[type=radio]")) input.checked = given.chosen[input.name] === input.value;
  for (const input of document.querySelectorAll("input[type=checkbox]")) input.checked = given.errors[input.dataset.side].includes(input.dataset.mark);
  at("previous").disabled = state.at === 0;
  at("next").disabled = state.at === data.items.length - 1;
  at("open").disabled = done === data.items.length;
}

function change(how) {
  const video = current().video, given = state.answers[video] || empty();
  how(given);
  state.answers[video] = given;
  keep();
  show();
}

function choose(question, choice) { change(given => { given.chosen[question] = choice; }); }

function go(number) {
  state.at = Math.max(0, Math.min(data.items.length - 1, number));
  keep();
  show();
}

document.addEventListener("keydown", event => {
  const typing = event.target.matches("#name");
  if (!state.judge || typing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    go(state.at + (event.key === "ArrowRight" ? 1 : -1));
    return;
  }
  for (const question of questions) {
    const choice = Object.hasOwn(data.keys[question], event.key) ? data.keys[question][event.key] : null;
    if (choice) choose(question, choice);
  }
});
document.addEventListener("change", event => {
  const input = event.target;
  if (input.type === "radio") choose(input.name, input.value);
  if (input.type === "checkbox") {
    change(given => {
      const marks = given.errors[input.dataset.side].filter(mark => mark !== input.dataset.mark);
      given.errors[input.dataset.side] = input.checked ? [...marks, input.dataset.mark] : marks;
    });
  }
});
at("start").addEventListener("submit", event => {
  event.preventDefault();
  const name = at("name").value.split(/\s+/).filter(Boolean).join(" ");
  if (!name) return;
  if (/^chat:/i.test(name)) { trouble("A name that begins with chat: is for machines; choose another."); return; }
  trouble("");
  state.judge = name;
  keep();
  show();
  at("which").focus();  // else the first keys may still go to the field for the name
});
at("previous").addEventListener("click", () => go(state.at - 1));
at("next").addEventListener("click", () => go(state.at + 1));
at("open").addEventListener("click", () => {
  const later = data.items.findIndex((item, number) => number > state.at && !answered(item));
  go(later >= 0 ? later : data.items.findIndex(item => !answered(item)));
});
at("export").addEventListener("click", () => {
  const value = {sheet: data.sheet, judge: state.judge, kind: "person", answers: state.answers};
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2) + "\n"], {type: "application/json"}));
  link.download = data.sheet + "-" + state.judge.replace(/[^\p{L}\p{N}_-]+/gu, "_") + ".json";
  link.click();
});
at("import").addEventListener("change", async event => {
  const file = event.target.files[0];
  if (!file) return;
  let value = null, wrong = "";
  try { value = JSON.parse(await file.text()); wrong = problem(value); } catch { wrong = "it is not JSON"; }
  event.target.value = "";
  if (wrong) { trouble(file.name + " was not taken: " + wrong + "."); return; }
  if (Object.keys(state.answers).length && !confirm("Put the answers of " + value.judge + " in place of those that are here?")) return;
  trouble("");
  state = {judge: value.judge, at: 0, answers: {}};
  for (const [video, given] of Object.entries(value.answers)) {
    state.answers[video] = {chosen: {...given.chosen}, errors: {A: [...(given.errors.A || [])], B: [...(given.errors.B || [])]}};
  }
  go(Math.max(0, data.items.findIndex(item => !answered(item))));
});
at("other").addEventListener("click", () => {
  if (!confirm("Remove the answers of " + state.judge + " from this browser? Save them first.")) return;
  state = {judge: "", at: 0, answers: {}};
  at("name").value = "";
  keep();
  show();
});
try {
  const kept = JSON.parse(localStorage.getItem(place) || "null");
  if (kept && !problem({...kept, sheet: data.sheet, kind: "person"})) state = {...kept, at: Math.min(Math.max(0, kept.at | 0), data.items.length - 1)};
} catch { /* nothing is kept here that can be read; `keep` says so when there is something to lose */ }
show();
