// The first screen: the curve as the server knew it when the page was asked for, drawn and movable while Streamlit starts
// behind it. It goes once Streamlit has drawn the same curve, which then takes over what a person did meanwhile
// (`optlabFirst`, called by `streamlit.js`); and it goes when Streamlit shows anything else.

const LONGEST_MS = 60_000; // until whatever is behind is shown, whether it came or not
const LOOK_MS = 200;
const ENDED = 5; // looks in a row that found the page complete, but without a curve: it shows something else

const host = document.getElementById('first-screen');
const table = JSON.parse(document.getElementById('first-screen-curve').textContent);
const { known, language } = host.dataset;
const root = host.shadowRoot;

// Streamlit's page speaks as `navigator.language` says, this one as the header Accept-Language did: browsers may differ.
const own = navigator.language.split('-')[0];
const wanted = known === undefined ? language : known.split(' ').includes(own) ? own : 'en';
if (root && wanted === language) open();
else host.remove();

function open() {
  host.style.colorScheme = theme();
  const live = startCurve(() => {});
  for (const section of root.querySelectorAll('section.curve')) live.attach(section.dataset.part, section);
  live.take(table.curve, table.curve.stands);
  live.say(table.said);
  host.hidden = false;

  let held = false, due = null;
  const began = performance.now();
  const hold = () => { held = true; };
  const release = () => { held = false; if (due) leave(due); };
  host.addEventListener('pointerdown', hold);
  window.addEventListener('pointerup', release);
  window.addEventListener('pointercancel', release);

  let ended = 0, ran = false;
  const watch = setInterval(() => {
    const state = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState;
    ran ||= state === 'running';
    ended = ran && state === 'notRunning' ? ended + 1 : 0;
    const other = document.querySelector('[role="dialog"], [data-testid="stException"], [data-testid="stAlert"]');
    if (other || ended >= ENDED || performance.now() - began > LONGEST_MS) leave(null);
  }, LOOK_MS);

  // hand: called with what a person did, null for nothing; null where nobody takes it over
  function leave(hand) {
    if (held && hand) { // not out of somebody's hand
      due = hand;
      return;
    }
    const kept = live.keep(), focused = root.activeElement?.id, scrolled = host.scrollTop;
    const moved = kept.budget !== '' || !alike(kept.stands, table.curve.stands);
    clearInterval(watch);
    window.removeEventListener('pointerup', release);
    window.removeEventListener('pointercancel', release);
    delete window.optlabFirst;
    host.remove(); // which also lets the page behind be seen
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, scrolled);
    hand?.(moved ? kept : null, focused);
  }
  window.optlabFirst = { leave };
}

// As a person chose it in Streamlit's menu, which keeps it for each address; else that of the system.
function theme() {
  const at = `stActiveTheme-${location.pathname}-v`;
  try {
    const name = Object.keys(localStorage).find((key) => key.startsWith(at));
    const chosen = name === undefined ? null : JSON.parse(localStorage.getItem(name));
    return { Light: 'light', Dark: 'dark' }[chosen] ?? 'light dark';
  } catch { // a browser that keeps nothing
    return 'light dark';
  }
}
