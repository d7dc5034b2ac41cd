"use strict";
// The browser of test videos: search, order, pages of ten. Every text is set as text, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("browser-data").textContent);
  const byId = (id) => document.getElementById(id);
  const page = 10;
  let first = 0;
  const seed = () => byId("seed").selectedIndex;
  const clipsum = data.rows.findIndex((row) => row.name === "clipsum");
  const haystacks = data.videos.map((video) => [video.id, video.source, video.reference, ...video.summaries.flat()].join("\n").toLowerCase());
  const compare = {
    id: (a, b) => (a.id < b.id ? -1 : 1),
    gain: (a, b) => b.gain - a.gain,
    loss: (a, b) => a.gain - b.gain,
    score: (a, b) => b.scores[clipsum][seed()] - a.scores[clipsum][seed()],
  };

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function article(video) {
    const made = element("article");
    const title = element("h3", video.id + " ");
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
    if (video.source) texts.append(element("dt", "Source"), element("dd", video.source, "source"));
    texts.append(element("dt", "Reference", "reference"), element("dd", video.reference, "reference"));
    data.rows.forEach((row, index) => {
      const summary = element("dd", video.summaries[index][seed()] + " ");
      summary.append(element("span", video.scores[index][seed()].toFixed(1), "meta"));
      texts.append(element("dt", row.title), summary);
    });
    made.append(texts);
    return made;
  }

  function show() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = data.videos.filter((_, index) => words.every((word) => haystacks[index].includes(word)));
    found.sort(compare[byId("order").value]);
    first = Math.max(0, Math.min(first, Math.floor((found.length - 1) / page) * page));
    byId("list").replaceChildren(...found.slice(first, first + page).map(article));
    byId("position").textContent = found.length
      ? `${first + 1} to ${Math.min(first + page, found.length)} of ${found.length}`
      : "nothing found";
    byId("previous").disabled = first === 0;
    byId("next").disabled = first + page >= found.length;
  }

  function restart() {
    first = 0;
    show();
  }

  byId("seed").replaceChildren(...data.seeds.map((number) => element("option", "seed " + number)));
  for (const option of byId("order").options) {
    option.disabled = (["gain", "loss"].includes(option.value) && data.videos.some((video) => video.gain === null)) ||
      (option.value === "score" && clipsum < 0);
  }
  byId("search").addEventListener("input", restart);
  byId("order").addEventListener("change", restart);
  byId("seed").addEventListener("change", show);
  byId("previous").addEventListener("click", () => { first -= page; show(); });
  byId("next").addEventListener("click", () => { first += page; show(); });
  byId("controls").hidden = false;
  show();
})();
