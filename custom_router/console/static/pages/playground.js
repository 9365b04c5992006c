// A prompt's whole path before it is sent, then the answer and its receipt.

import { eventsOf, get, post, send } from "../api.js";
import { announce, h, replace } from "../dom.js";
import { known, ms, number, percent, score, words } from "../format.js";
import { card, check, chip, empty, field, loading, meter, problem, tierChip } from "../parts.js";
import { causeList, openReceipt, priceBars, receipt } from "../receipt.js";

const EXAMPLES = ["What is the capital of Australia?", "Can my landlord keep the deposit because of a scratch?", "Prove that the square root of 2 is irrational.", "Write a SQL query for the ten best customers, ties included."];
const RECORD_TRIES = 40;

export function page({ who }) {
  const prompt = h("textarea", { rows: "5", placeholder: "Type what an application would ask …", spellcheck: "true" });
  const stream = h("input", { type: "checkbox", checked: true });
  const bypass = h("input", { type: "checkbox" });
  const team = h("input", { type: "text", autocomplete: "off", placeholder: "your own" });
  const look = h("button", { type: "submit", class: "primary" }, "See its path");
  const go = h("button", { type: "button" }, "Send it");
  const path = h("div", {}, empty("Nothing sent yet", "See its path: what would happen and why, without asking any model.", "Send it: the real request, with your key, and its receipt."));
  const answer = h("div", {});
  const abort = new AbortController();

  const asked = () => prompt.value.trim();
  const busy = (on) => { look.disabled = go.disabled = on; };
  const blank = () => {
    prompt.setAttribute("aria-invalid", "true");
    prompt.focus();
    announce("Type a prompt first");
  };

  async function explain() {
    if (!asked()) return blank();
    prompt.removeAttribute("aria-invalid");
    busy(true);
    replace(answer);
    replace(path, loading("its path"));
    try {
      const body = { prompt: asked() };
      if (who.admin && team.value.trim()) body.as = { team: team.value.trim() };
      replace(path, pathCard(await post("../router/explain", body, abort.signal)));
      announce("The path is shown");
    } catch (error) {
      if (error.name !== "AbortError" && !error.refused) replace(path, problem(error, explain));
    } finally {
      busy(false);
    }
  }

  async function deliver() {
    if (!asked()) return blank();
    prompt.removeAttribute("aria-invalid");
    busy(true);
    const text = h("div", { class: "answer", "data-answer": true });
    const state = h("p", { class: "note" }, "Waiting for the answer …");
    replace(answer, h("div", { class: "grid-2" }, card("The answer", state, text)));
    try {
      const id = await converse({ model: "auto", stream: stream.checked, messages: [{ role: "user", content: asked() }] }, bypass.checked, text, state, abort.signal);
      announce("The answer is there");
      if (id) await showReceipt(id, answer.firstElementChild, abort.signal);
    } catch (error) {
      if (error.name !== "AbortError" && !error.refused) answer.append(problem(error));
      state.textContent = "It was not answered.";
    } finally {
      busy(false);
    }
  }

  const form = h(
    "form", { class: "card stack" }, field("Prompt", prompt),
    h("div", { class: "buttons" }, h("span", { class: "note" }, "Try:"), EXAMPLES.map((text) => h("button", { type: "button", class: "quiet", on: { click: () => { prompt.value = text; explain(); } } }, text.length > 34 ? `${text.slice(0, 32)}…` : text))),
    h("div", { class: "buttons" }, look, go, check("stream the answer", stream), check("pass the cache by", bypass)),
    who.admin ? h("details", { class: "table-of" }, h("summary", {}, "Whose limits count for the path"), field("As team", team, "LiteLLM's id of a team. Sending always uses your own key.")) : null,
  );
  form.addEventListener("submit", (event) => { event.preventDefault(); explain(); });
  go.addEventListener("click", deliver);
  prompt.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) deliver(); });
  return {
    lead: "Type a prompt and see where it would go, why, and at what price. Then send it and compare.",
    element: h("div", { class: "stack" }, form, answer, path),
    leave: () => abort.abort(),
  };
}

/** Sends the request, shows the answer as it comes, and gives the router's id of it. */
async function converse(body, bypass, text, state, signal) {
  const began = performance.now();
  const response = await send("../v1/chat/completions", { method: "POST", body, signal, headers: bypass ? { "x-router-cache": "bypass" } : {} });
  const router = (name) => response.headers.get(`x-router-${name}`);
  if (body.stream) {
    for await (const { data } of eventsOf(response)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message ?? "the stream broke off");
      text.append(document.createTextNode(chunk.choices?.[0]?.delta?.content ?? ""));
    }
  } else {
    const told = await response.json();
    text.append(document.createTextNode(told.choices?.[0]?.message?.content ?? ""));
  }
  if (!text.textContent) text.append(document.createTextNode("(an answer without text)"));
  replace(state, tierChip(router("tier")), router("cache") === "hit" ? [" ", chip("from the cache", "hit")] : null, ` in ${ms(performance.now() - began)}`);
  return router("request-id");
}

/** A record is written a moment after the answer has ended. */
async function showReceipt(id, place, signal) {
  const box = card("The receipt", loading("the receipt"));
  place.append(box);
  for (let attempt = 0; attempt < RECORD_TRIES && !signal.aborted; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 400));
    try {
      const found = await get(`api/decisions/${encodeURIComponent(id)}`, {}, signal);
      replace(box, h("div", { class: "card-head" }, h("h2", {}, "The receipt"), h("button", { type: "button", class: "quiet", on: { click: () => openReceipt(id) } }, "Open large")), h("div", { class: "drawer-body inside" }, receipt(found.record, found.explanation)));
      return;
    } catch (error) {
      if (error.status !== 404) throw error;
    }
  }
  replace(box, h("h2", {}, "The receipt"), h("p", { class: "notice" }, "Its record has not been written yet. Look for it among the live decisions."));
}

function step(number_, title, acts, ...children) {
  return h("li", { class: acts ? "acts" : null }, h("span", { class: "dot", "aria-hidden": "true" }, number_), h("div", { class: "body" }, h("h3", {}, title), children));
}

function pathCard(told) {
  const { explanation: why, rules, domain_model: domains, cache, gate, prices, nearest, caller } = told;
  const hit = cache.status === "hit";
  const steps = [
    ["Limits", caller.problems?.length > 0, h("p", {}, `At least ${caller.min_tier}, at most ${caller.max_tier}; cache ${caller.cache}${caller.domain ? `; bound to the domain ${caller.domain}` : ""}.`), (caller.problems ?? []).map((line) => h("p", { class: "notice warn" }, line))],
    ["Domain rules", rules.length > 0, rules.length ? h("ul", {}, rules.map((hit_) => h("li", {}, chip(hit_.domain, "warn"), ` by ${hit_.rule}`, hit_.pattern ? [" ", h("code", {}, hit_.pattern)] : null))) : h("p", { class: "note" }, "No term, phrase or pattern matched."), domainScores(domains)],
    ["Classifier", why.margins.length > 0 && !rules.length, why.margins.length ? why.margins.map((m) => meter(m.tier, m.p_ok, m.threshold)) : h("p", { class: "note" }, "Not asked: the tier was settled."), h("p", { class: "note" }, [known(why.complexity) ? `Complexity ${score(why.complexity, 1)} of 10. ` : "", why.intent ? `Intent ${words(why.intent)}. ` : "", known(why.ood) ? `Unlike the training data: ${score(why.ood)}${known(why.ood_limit) ? `, limit ${why.ood_limit}` : ""}. ` : "", Object.keys(why.signals).length ? `Seen: ${Object.keys(why.signals).map(words).join(", ")}.` : ""])],
    ["Cache", hit, h("p", {}, chip(cache.status, hit ? "hit" : ""), hit ? ` A stored answer would be given${cache.kind === "semantic" ? `, P(same question) ${score(cache.p_same)}` : ", of the same text"}.` : cache.meaning ? ` ${cache.meaning[0].toUpperCase()}${cache.meaning.slice(1)}.` : " Nothing stored that could be served.")],
    ["Tier", !hit, h("p", {}, tierChip(why.tier), why.served !== why.tier ? [" decided; ", tierChip(why.served), ` answers in mode ${why.mode}`] : null), causeList(why.causes)],
    ["Confidence gate", gate.judged, h("p", {}, gate.judged ? "The answer would be judged, and replaced where it is not good enough." : "The answer would be delivered unjudged.")],
  ];
  return h(
    "div", { class: "grid-2" },
    card("Its path", h("ol", { class: "path" }, steps.map(([title, acts, ...children], at) => step(at + 1, title, acts, ...children)))),
    h("div", { class: "stack" }, card("What it would cost", priceBars(prices.tiers.map(({ tier, usd }) => [tier, usd])), h("p", { class: "note" }, `For ${number(prices.input_tokens)} + ${number(prices.output_tokens)} tokens: ${prices.assumption}.`)),
    card("What would change it", why.alternatives.length ? h("ul", { class: "causes" }, why.alternatives.map((one) => h("li", {}, h("strong", {}, one.change), h("span", {}, "→ ", tierChip(one.tier))))) : h("p", { class: "note" }, why.remarks.join("; ") || "No single change would.")),
    nearest.length ? card("Most alike among the shipped examples", h("ul", { class: "causes" }, nearest.map((one) => h("li", {}, h("strong", {}, one.text), h("span", {}, `${words(one.kind)}: ${words(one.label)}, cosine ${score(one.similarity)}`))))) : null),
  );
}

function domainScores(domains) {
  const asked = (domains ?? []).filter((one) => known(one.probability));
  if (!asked.length) return domains?.length ? h("p", { class: "note" }, "The screen ruled every domain's model out.") : null;
  return h("p", { class: "note" }, `The domain model says ${asked.map((one) => `${one.domain} ${percent(one.probability)} (threshold ${percent(one.threshold)})`).join(", ")}.`);
}
