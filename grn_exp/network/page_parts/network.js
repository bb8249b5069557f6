"use strict";
const graph = cytoscape({
  container: document.getElementById("graph"),
  elements: JSON.parse(document.getElementById("network").textContent),
  layout: { name: "preset" },
  maxZoom: 4,
  style: [
    { selector: "node", style: {
      label: "data(id)", shape: "data(shape)", width: 14, height: 14, "background-color": "#fff",
      "border-width": 2, "border-color": "#111", "font-size": 13, color: "#111",
      "text-outline-color": "#fff", "text-outline-width": 2,
      "text-halign": "center", "text-valign": "top" } },
    { selector: "node[?asked]", style: { "background-color": "#111", "font-weight": "bold" } },
    { selector: "edge", style: {
      width: "data(width)", "line-color": "data(colour)", "target-arrow-color": "data(colour)",
      "target-arrow-shape": "data(head)", "curve-style": "bezier", "arrow-scale": 0.9 } },
    { selector: "edge[known = 1]", style: {
      "underlay-color": "data(halo)", "underlay-opacity": 0.9, "underlay-padding": 5 } },
    { selector: ".dim", style: { opacity: 0.12 } },
    { selector: ".off", style: { display: "none" } },
  ],
});
const panel = document.getElementById("panel");
const field = document.getElementById("gene");
const least = document.getElementById("least");
const columns = ["rank", "score", "correlation", "stability"]
  .filter((name) => graph.edges().some((edge) => edge.data(name) !== undefined));

function add(parent, kind, text) {
  const element = document.createElement(kind);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

function written(name, value) {
  if (value === undefined || name === "rank") return String(value ?? "");
  return name === "score" ? value.toPrecision(3) : value.toFixed(2);
}

// the edges of what is chosen, best first
function list(title, edges) {
  panel.replaceChildren();
  add(panel, "h2", title);
  const table = add(panel, "table");
  const head = add(add(table, "thead"), "tr");
  for (const name of ["edge", ...columns]) add(head, "th", name);
  const body = add(table, "tbody");
  for (const edge of edges.sort((a, b) => a.data("rank") - b.data("rank"))) {
    const line = add(body, "tr");
    const sign = { "1": "→", "-1": "⊣", "0": "–" }[edge.data("sign")];
    const name = add(line, "td", `${edge.data("source")} ${sign} ${edge.data("target")}`);
    if (edge.data("known") === 1) add(name, "b", " known");
    for (const column of columns) add(line, "td", written(column, edge.data(column)));
    line.addEventListener("click", () => choose(edge.connectedNodes(), edge));
  }
}

function choose(nodes, edges) {
  graph.elements().addClass("dim");
  nodes.union(edges).union(edges.connectedNodes()).removeClass("dim");
  list(nodes.map((node) => node.id()).join(", "), edges.not(".off"));
}

function everything() {
  graph.elements().removeClass("dim");
  list("All edges", graph.edges().not(".off"));
}

graph.on("tap", "node", (event) => choose(event.target, event.target.connectedEdges()));
graph.on("tap", "edge", (event) => choose(event.target.connectedNodes(), event.target));
graph.on("tap", (event) => { if (event.target === graph) everything(); });
field.addEventListener("change", () => {
  const wanted = field.value.trim().toLowerCase();
  const found = graph.nodes().filter((node) => node.id().toLowerCase() === wanted);
  if (found.length) choose(found, found.connectedEdges());
  else everything();
});
least.addEventListener("input", () => {
  document.getElementById("count").value = least.value;
  graph.elements().removeClass("off");
  graph.edges().filter((edge) => edge.data("place") > Number(least.value)).addClass("off");
  graph.nodes().filter((node) => !node.connectedEdges().not(".off").length).addClass("off");
  everything();
});
document.getElementById("fit").addEventListener("click", () => {
  field.value = "";
  everything();
  graph.fit(undefined, 40);
});
document.getElementById("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = graph.png({ full: true, scale: 2, bg: "#fff" });
  link.download = `${document.title}.png`;
  link.click();
});
everything();
graph.resize().fit(undefined, 40);
