// A lesson step by step. Python draws all of it; here what comes later is hidden, and the address says which step it is.

const BEGINS = '[data-testid=stPlotlyChart], [data-testid=stDataFrame], [data-testid=stAlert], [data-testid=stExpander], '
  + '[data-testid=stRadio], .katex-display, h3';
const PARTS = '.st-key-lesson > * > [data-testid=stVerticalBlock] > *'; // a lesson is drawn by fragments, in blocks of their own
const TAKES_ARROWS = 'input, textarea, select, [role=slider], [role=radio], [role=combobox], [role=tab], [contenteditable]';

export default function ({ data, parentElement, setTriggerValue }) {
  const bar = parentElement.querySelector('.teaching');
  bar.teach ??= startTeaching(bar);
  bar.teach.take(data, () => setTriggerValue('closed', true));
  return () => bar.teach.stop();
}

function startTeaching(bar) {
  const button = (act) => bar.querySelector(`[data-act=${act}]`);
  const filled = (template, values) => template.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  let data = null, step = 0, close = null, watching = null, due = false;

  // A step begins with a chart, a formula, a sentence to keep or a question; the first holds all up to the first chart.
  function steps() {
    const found = [[]];
    let charted = false, asking = false;
    for (const child of document.querySelectorAll(PARTS)) {
      const begins = child.matches(BEGINS) || child.querySelector(BEGINS) !== null;
      if (begins && charted && !asking) found.push([]);
      charted ||= begins;
      asking = begins && child.querySelector('h3') !== null; // the first question stands with its heading
      found.at(-1).push(child);
    }
    return found;
  }

  function show() {
    due = false;
    const all = steps();
    const now = Math.min(step, all.length - 1);
    all.forEach((elements, number) => elements.forEach((one) => one.toggleAttribute('data-later', number > now)));
    bar.querySelector('output').textContent = filled(data.words.step, { step: now + 1, count: all.length });
    button('back').disabled = now === 0;
    button('on').disabled = now === all.length - 1;
    return all;
  }

  function go(by) {
    const last = steps().length - 1;
    step = Math.max(0, Math.min(Math.min(step, last) + by, last));
    const address = new URL(location.href);
    address.searchParams.set('step', step + 1);
    history.replaceState(history.state, '', address);
    show()[step][0]?.scrollIntoView({ block: step ? 'center' : 'end' });
  }

  function pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 1, PageUp: -1 }[event.key];
    const inField = event.composedPath()[0].closest?.(TAKES_ARROWS);
    if (!by || (inField && event.key.startsWith('Arrow'))) return;
    event.preventDefault();
    event.stopPropagation(); // a slider in focus would take the keys of a presenter's remote
    go(by);
  }

  const full = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  const copy = async () => {
    await navigator.clipboard.writeText(location.href);
    button('link').textContent = data.words.copied;
  };
  const acts = { back: () => go(-1), on: () => go(1), full, link: copy, close: () => close() };
  for (const [act, does] of Object.entries(acts)) button(act).addEventListener('click', does);

  return {
    take(found, onClose) {
      const other = data?.lesson !== found.lesson;
      data = found;
      close = onClose;
      for (const act of Object.keys(acts)) button(act).textContent = data.words[act];
      bar.ariaLabel = data.words.bar;
      if (other) step = data.step - 1;
      if (watching) return;
      watching = new MutationObserver(() => {
        if (!due) requestAnimationFrame(show);
        due = true;
      });
      watching.observe(document.querySelector('[data-testid=stMain]'), { childList: true, subtree: true });
      document.addEventListener('keydown', pressed, true);
      show();
    },
    stop() {
      watching?.disconnect();
      watching = null;
      document.removeEventListener('keydown', pressed, true);
      document.querySelectorAll('[data-later]').forEach((one) => one.removeAttribute('data-later'));
    },
  };
}
