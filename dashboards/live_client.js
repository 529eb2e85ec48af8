// The living part of pages: clocks that run between looks, clicks on rows, sound and notice on red alerts until somebody
// answers, and a plain word when the page itself no longer hears from its server. Asks nobody for anything.

const TICK_MS = 500;
const LOST_AFTER_MS = 6000;
const SHOWN_MS = 20000;
const RING_AGAIN_MS = 15000;
const KEPT = "cityrisk-bell";

// What must outlive a redraw of the component: which calls are known, and the sound that a click allowed.
const memory = (window.cityriskPulse ??= { rung: null, audio: null, told: null });

function span(ms, words) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [days, hours, minutes, seconds] = [
    Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60, all % 60,
  ];
  if (days) return `${words.days.replace("{n}", days)} ${two(hours)}:${two(minutes)}`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
}

function beep(audio) {
  for (const [start, pitch] of [[0, 880], [0.28, 660], [0.56, 880]]) {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.25, audio.currentTime + start);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + start + 0.24);
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + start);
    tone.stop(audio.currentTime + start + 0.25);
  }
}

function wanted() {
  try { return localStorage.getItem(KEPT) === "on"; } catch { return memory.bell === true; }
}

function want(is_on) {
  memory.bell = is_on;
  try { localStorage.setItem(KEPT, is_on ? "on" : "off"); } catch { /* a browser that keeps nothing still rings */ }
}

function wake() {
  // A browser lets a page sound only after somebody touched it.
  try {
    memory.audio ??= new AudioContext();
    if (memory.audio.state === "suspended") memory.audio.resume();
  } catch { memory.audio = null; }
}

function tell(reds, words) {
  const text = reds.map((one) => one.text).join(" · ");
  memory.told = { text: `${words.new_red} ${text}`, until: Date.now() + SHOWN_MS };
  if (!wanted()) return;
  ring();
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  for (const red of reds.slice(0, 3)) {
    try { new Notification(words.new_red, { body: red.text, tag: red.ring }); } catch { return; }
  }
}

function ring() {
  if (memory.audio?.state !== "running") return;
  memory.rang = Date.now();
  beep(memory.audio);
}

// A call that nobody answers goes on; an exercise rings once.
function ringAgain(reds) {
  const is_due = Date.now() - (memory.rang ?? 0) >= RING_AGAIN_MS;
  if (is_due && wanted() && reds.some((one) => !one.is_exercise)) ring();
}

function bellText(words) {
  if (!wanted()) return words.bell_off;
  if (memory.audio?.state !== "running") return words.bell_waits;
  const can_notice = "Notification" in window && Notification.permission === "granted";
  return can_notice ? words.bell_on : words.bell_sound_only;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick(root, beat, words) {
  const now = Date.now() + beat.skew;
  for (const element of document.querySelectorAll("[data-since]")) {
    put(element, span(now - Number(element.dataset.since), words));
  }
  for (const element of document.querySelectorAll("[data-until]")) {
    const left = Number(element.dataset.until) - now;
    element.classList.toggle("overdue", left < 0);
    put(element, left < 0 ? `${words.overdue} ${span(-left, words)}` : `${words.left} ${span(left, words)}`);
  }
  const silent_ms = Date.now() - beat.at;
  const lost = root.querySelector(".lost");
  lost.hidden = silent_ms < LOST_AFTER_MS;
  if (!lost.hidden) put(lost, `${words.lost} ${span(silent_ms, words)}`);
  const says = root.querySelector(".says");
  const is_told = memory.told !== null && Date.now() < memory.told.until;
  says.hidden = !is_told;
  put(says, is_told ? memory.told.text : "");
  ringAgain(beat.reds);
  put(root.querySelector(".bell"), bellText(words));
  const found = memory.seeks && document.querySelector(".alert-facts");
  if (found) {
    memory.seeks = false;
    found.scrollIntoView();
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".live-client");
  document.documentElement.lang = data.language;  // for who hears the page, and for the browser's own hyphens and fonts
  const beat = { at: Date.now(), skew: data.now - Date.now(), reds: data.reds };
  const known = memory.rung;
  memory.rung = new Set(data.reds.map((one) => one.ring));
  // What stood there when the page was opened is no news.
  const fresh = known === null ? [] : data.reds.filter((one) => !known.has(one.ring));
  if (fresh.length) tell(fresh, data.words);

  const pick = (event) => {
    const row = event.target.closest?.("[data-pick]");
    const has_moved = Math.hypot(event.clientX - memory.down?.x, event.clientY - memory.down?.y) > 8;
    if (!row || (event.type === "pointerup" && has_moved)) return;
    memory.seeks = window.matchMedia("(max-width: 640px)").matches;
    setTriggerValue("picked", row.dataset.pick);
  };
  const switchBell = async () => {
    want(!wanted());
    if (wanted()) {
      wake();
      if ("Notification" in window && Notification.permission === "default") await Notification.requestPermission();
    }
    tick(root, beat, data.words);
  };
  // A list that is drawn again between press and release loses the click; press and release are still there.
  const keyed = (event) => { if (event.detail === 0) pick(event); };
  const touched = (event) => {
    memory.down = { x: event.clientX, y: event.clientY };
    if (wanted()) wake();
  };
  root.querySelector(".bell").onclick = switchBell;
  memory.stop?.();
  document.addEventListener("pointerup", pick);
  document.addEventListener("click", keyed);
  document.addEventListener("pointerdown", touched);
  const timer = setInterval(() => tick(root, beat, data.words), TICK_MS);
  tick(root, beat, data.words);
  memory.stop = () => {
    clearInterval(timer);
    document.removeEventListener("pointerup", pick);
    document.removeEventListener("click", keyed);
    document.removeEventListener("pointerdown", touched);
  };
  return memory.stop;
}
