// The page of the development Jira site: everything from the server is put in as text, never as HTML.
"use strict";
const api = `/ex/jira/${document.body.dataset.cloud}/rest/api/3`;
const $ = (id) => document.getElementById(id);
let open = null;

function make(tag, text, cls) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (cls) element.className = cls;
  return element;
}
async function ask(method, path, body) {
  const response = await fetch(api + path, {
    method, headers: { "Content-Type": "application/json", "X-Devsite-Person": "1" }, body: body && JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Error([...(answer.errorMessages || []), ...Object.values(answer.errors || {})].join(" ") || response.status);
  return answer;
}
const doc = (text) => ({ version: 1, type: "doc", content: [{ type: "paragraph", content: [{ type: "text", text }] }] });
function plain(node) {
  if (!node) return "";
  if (node.type === "text") return node.text;
  if (node.type === "mention") return `@${(document.querySelector(`#person option[value="${CSS.escape(node.attrs.id)}"]`) || {}).textContent || node.attrs.id}`;
  return (node.content || []).map(plain).join(node.type === "doc" ? "\n" : "");
}
async function list() {
  const found = await ask("POST", "/search/jql", {
    jql: "project = DEMO ORDER BY created DESC", maxResults: 50, fields: ["summary", "issuetype", "status", "labels", "comment"],
  });
  $("issues").replaceChildren(...found.issues.map(({ key, fields }) => {
    const row = make("tr");
    const keyCell = make("td");
    keyCell.append(make("button", key, "link"));
    const labels = make("td");
    labels.append(...fields.labels.map((label) => make("span", label, "tag")));
    row.append(keyCell, make("td", fields.issuetype.name), make("td", fields.summary), make("td", fields.status.name), labels, make("td", fields.comment.total));
    row.onclick = () => { open = key; show(); };
    return row;
  }));
}
async function show() {
  if (!open) return;
  const { key, fields } = await ask("GET", `/issue/${encodeURIComponent(open)}`);
  const changes = await ask("GET", `/issue/${encodeURIComponent(open)}/changelog`);
  const box = $("detail");
  box.hidden = false;
  const form = make("form");
  const input = make("input");
  input.placeholder = "Comment"; input.required = true;
  form.append(make("span", "as Mia"), input, make("button", "Add"));
  form.onsubmit = async (event) => { event.preventDefault(); await ask("POST", `/issue/${key}/comment`, { body: doc(input.value) }); refresh(); };
  const named = (await ask("GET", "/field")).filter((each) => each.custom && ![null, undefined].includes(fields[each.id]));
  const told = (value) => Array.isArray(value) ? value.map(told).join(", ") : value.value ?? value;
  box.replaceChildren(make("h2", `${key}: ${fields.summary}`), make("p", plain(fields.description) || "No description", "dim"),
    ...named.map((each) => make("div", `${each.name}: ${told(fields[each.id])}`)),
    ...fields.comment.comments.map((each) => {
      const part = make("div", undefined, "comment");
      part.append(make("b", each.author.displayName), make("div", plain(each.body)));
      return part;
    }), form,
    ...changes.values.map((each) => make("div", `${each.author.displayName}: ${each.items.map((item) => `${item.field} → ${item.toString || "none"}`).join(", ")}`, "dim")));
}
let waiting;
function refresh() { clearTimeout(waiting); waiting = setTimeout(() => { list(); show(); listSignOffs(); }, 120); }
$("new").onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  const fields = { project: { key: "DEMO" }, issuetype: { name: form.type.value }, summary: form.summary.value };
  if (form.description.value.trim()) fields.description = doc(form.description.value);
  try { const made = await ask("POST", "/issue", { fields }); $("said").textContent = `${made.key} created`; form.reset(); open = made.key; } catch (error) { $("said").textContent = error.message; }
  refresh();
};
async function invoke(method, path, body) { // as `invokeRemote` of Forge's bridge
  const asked = { account: $("person").value, method, path, body };
  const response = await fetch("/_forge/invoke", { method: "POST", body: JSON.stringify(asked) });
  return response.json();
}
async function listSignOffs() {
  const { status, body } = await invoke("GET", "/forge/ui/sign-offs");
  const found = status === 200 ? body.sign_offs : [];
  $("waiting").replaceChildren(...found.map((each) => {
    const row = make("div", undefined, "row");
    const look = make("button", `${each.flow}: ${each.step}`, "link");
    look.onclick = () => showQuestion(each);
    row.append(look, make("span", `${each.approved} of ${each.needed} approved, until ${new Date(each.due_milliseconds).toLocaleString("en-GB")}`, "dim"));
    return row;
  }), ...(found.length ? [] : [make("p", "Nothing waits for this person.", "dim")]));
}
async function showQuestion(each) {
  const path = `/forge/ui/sign-offs/${each.run}/${each.path.split("/").map(encodeURIComponent).join("/")}`;
  const { status, body } = await invoke("GET", path);
  const box = $("question");
  box.hidden = status !== 200;
  $("answered").textContent = status === 200 ? "" : (body && body.message) || "The app does not answer.";
  if (status !== 200) return;
  const answer = (choice, label, cls) => {
    const button = make("button", label, cls);
    button.onclick = async () => {
      const done = await invoke("POST", path, { choice, question: body.question_hash });
      $("answered").textContent = done.status === 200 ? `Counted.${done.body.ended ? ` It is ${done.body.ended}.` : ""}` : done.body.message;
      box.hidden = true;
      refresh();
    };
    return button;
  };
  box.replaceChildren(make("div", body.question), answer("approve", "Approve"), answer("reject", "Reject", "no"));
}
$("person").onchange = () => { $("question").hidden = true; $("answered").textContent = ""; listSignOffs(); };
new EventSource("/_dev/stream").onmessage = ({ data }) => {
  const line = JSON.parse(data);
  if (line.kind === "person") { if (line.method !== "GET" && !line.path.includes("/search/")) refresh(); return; } // a page's own
  const text = line.kind === "delivery" ? `Forge → app  ${line.event}  ${line.status || "no answer"}  ${line.milliseconds} ms${line.attempt > 1 ? `  try ${line.attempt}` : ""}`
    : line.kind === "call" ? `app → Jira  ${line.method} ${line.path.replace("/rest/api/3", "")}  ${line.status}`
    : `third party got  ${JSON.stringify(line.document)}`;
  const good = line.kind === "thirdparty" || (line.status >= 200 && line.status < 300);
  $("live").prepend(make("li", `${line.at}  ${text}`, good ? "ok" : "bad"));
  refresh();
};
list();
listSignOffs();
