"use strict";
// The browser of test videos: two systems side by side, filters, order, pages of ten. What is chosen stands in the address.
// Every text is set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("browser-data").textContent);
  const byId = (id) => document.getElementById(id);
  const page = 10;
  const plain = (parts) => parts.map((part) => (typeof part === "string" ? part : part[0])).join("");
  const haystacks = data.videos.map((video) =>
    [video.id, ...[video.source, video.reference, ...video.texts.map((text) => text[0])].map(plain)].join("\n").toLowerCase());
  const choices = ["a", "b", "seed", "entity", "right", "order", "search"];
  const defaults = {};
  let first = 0;

  const seed = () => byId("seed").selectedIndex;
  const rowOf = (side) => byId(side).selectedIndex;
  const ofSeed = (sets) => sets[Math.min(seed(), sets.length - 1)]; // of others' outputs there may be fewer sets than our seeds
  const score = (video, side) => ofSeed(video.scores[rowOf(side)]);
  const text = (video, side) => video.texts[ofSeed(video.said[rowOf(side)])];
  // Where entities are known, right is to name all of the video's and no other; else, to score higher.
  const known = data.entities.length > 0;
  const isRight = (video, side) => (known ? text(video, side)[1] === 1 : score(video, side) > score(video, side === "a" ? "b" : "a"));
  const compare = {
    id: (a, b) => (a.id < b.id ? -1 : 1),
    gain: (a, b) => b.gain - a.gain,
    loss: (a, b) => a.gain - b.gain,
    ahead: (a, b) => score(b, "a") - score(b, "b") - score(a, "a") + score(a, "b"),
    score: (a, b) => score(b, "a") - score(a, "a"),
  };

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function marked(name, parts, className) {
    const made = element(name, undefined, className);
    for (const part of parts) {
      if (typeof part === "string") made.append(part);
      else {
        const mark = element("mark", part[0], part[1]);
        if (part[2]) mark.title = part[2];
        made.append(mark);
      }
    }
    return made;
  }

  function bars(looks) {
    const made = element("div", undefined, "strips");
    for (const [name, named] of Object.entries(looks.named)) {
      const strip = element("span", undefined, "strip");
      named.weights.forEach((weight, place) => {
        const bar = element("i", undefined, named.shown && named.shown.includes(place) ? "shows" : "");
        bar.style.setProperty("--w", weight);
        bar.title = `${looks.seconds[place].toFixed(1)} s: ${Math.round(100 * weight)} %`;
        strip.append(bar);
      });
      const most = named.weights.indexOf(Math.max(...named.weights));
      const shows = !named.shown ? "" : named.shown.includes(most) ? ", which shows it" : ", which does not show it";
      const line = element("div");
      line.append(element("b", name), strip, `most at ${looks.seconds[most].toFixed(1)} s${shows}`);
      made.append(line);
    }
    return made;
  }

  function article(video) {
    const made = element("article");
    const title = element("h4", video.id + " ");
    if (video.gain !== null) title.append(element("span", "gain " + (video.gain < 0 ? "−" : "+") + Math.abs(video.gain).toFixed(1), "gain"));
    made.append(title);
    if (video.frames.length) {
      const frames = element("div", undefined, "frames");
      video.frames.forEach((frame, index) => {
        const image = element("img");
        image.src = "data:image/jpeg;base64," + frame;
        image.alt = "Frame " + (index + 1) + " of " + video.id;
        frames.append(image);
      });
      made.append(frames);
    }
    const texts = element("dl", undefined, "texts");
    if (video.source.length && plain(video.source)) texts.append(element("dt", "Narration"), marked("dd", video.source, "source"));
    texts.append(element("dt", "Reference", "reference"), marked("dd", video.reference, "reference"));
    for (const side of ["a", "b"]) {
      const row = data.rows[rowOf(side)];
      const heading = element("dt");
      heading.append(element("i", undefined, "chip " + row.role), row.title);
      const summary = marked("dd", text(video, side)[0]);
      summary.append(" ", element("span", score(video, side).toFixed(1), "meta"));
      if (video.looks && data.attended.row === row.name && data.attended.seed === data.seeds[seed()]) summary.append(bars(video.looks));
      texts.append(heading, summary);
    }
    made.append(texts);
    return made;
  }

  function show() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const entity = byId("entity").value;
    const right = byId("right").value;
    const wanted = { a: [true, false], b: [false, true], both: [true, true], neither: [false, false] }[right];
    const found = data.videos.filter((video, index) => words.every((word) => haystacks[index].includes(word)) &&
      (!entity || video.entities.includes(entity)) &&
      (!wanted || ["a", "b"].every((side, place) => isRight(video, side) === wanted[place])));
    found.sort(compare[byId("order").value]);
    first = Math.max(0, Math.min(first, Math.floor((found.length - 1) / page) * page));
    byId("list").replaceChildren(...found.slice(first, first + page).map(article));
    byId("position").textContent = found.length
      ? `${first + 1} to ${Math.min(first + page, found.length)} of ${found.length}`
      : "nothing found";
    byId("previous").disabled = first === 0;
    byId("next").disabled = first + page >= found.length;
  }

  function remember() {
    const state = new URLSearchParams();
    for (const id of choices) if (byId(id).value !== defaults[id]) state.set(id, byId(id).value);
    if (first) state.set("first", first + 1);
    const address = state.toString();
    try {
      history.replaceState(null, "", address ? "#videos?" + address : "#videos");
    } catch {
      // a page inside another one may have no address of its own
    }
  }

  function recall() {
    const [place, address] = location.hash.slice(1).split("?");
    if (place !== "videos" || address === undefined) return;
    const state = new URLSearchParams(address);
    for (const id of choices) {
      const asked = state.get(id) ?? defaults[id];
      byId(id).value = asked;
      if (byId(id).selectedIndex === -1) byId(id).value = defaults[id]; // no such choice
    }
    first = Math.floor(Math.max(0, Number(state.get("first") ?? 1) - 1) / page) * page || 0;
    show();
    byId("controls").scrollIntoView();
  }

  function option(value, title) {
    const made = element("option", title);
    made.value = value;
    return made;
  }

  ["a", "b"].forEach((side, place) => {
    byId(side).append(...data.rows.map((row) => option(row.name, row.title)));
    byId(side).value = data.pair[place];
  });
  byId("seed").append(...data.seeds.map((number) => option(String(number), "seed " + number)));
  byId("entity").append(...data.entities.map((name) => option(name, "shows " + name)));
  byId("entity").hidden = !known;
  for (const choice of byId("order").options) {
    choice.disabled = ["gain", "loss"].includes(choice.value) && data.videos.some((video) => video.gain === null);
  }
  byId("right-means").textContent = known
    ? "Right is a summary that names every entity of the video and no other."
    : `Nobody has said what these videos show, so right is whichever of the two has the higher ${data.metric}.`;
  for (const id of choices) defaults[id] = byId(id).value;
  for (const id of choices) {
    byId(id).addEventListener(id === "search" ? "input" : "change", () => {
      if (id !== "seed") first = 0;
      show();
      remember();
    });
  }
  for (const [id, step] of [["previous", -page], ["next", page]]) {
    byId(id).addEventListener("click", () => {
      first += step;
      show();
      remember();
    });
  }
  window.addEventListener("hashchange", recall);
  byId("controls").hidden = byId("right-means").hidden = false;
  show();
  recall();
})();
