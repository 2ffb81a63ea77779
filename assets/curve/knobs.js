// Three native range inputs, so that keyboard, touch and screen reader work as everywhere. A knob moves over numbers of
// stops, not over values: between two stops there is nothing to show.

const KNOBS = ['bits', 'sparsity', 'temperature'];
// A hand that takes a knob again, or an arrow key that is held, has not arrived yet. Whoever hears that the knobs rest
// may draw the whole page anew, which would take frames from the next movement. A hand that goes to something else has
// arrived: what it presses there is about the knobs as they stand.
const PAUSE_MS = 350;

// moved(name): at every movement. rested(): once, when nobody has touched the knobs for `PAUSE_MS`. budgeted(bytes): when
// a person sets another limit; null is none.
function makeKnobs(box, moved, rested, budgeted) {
  const parts = Object.fromEntries(KNOBS.map((name) => {
    const knob = box.querySelector(`[data-knob="${name}"]`);
    const [label, output, input, note] = ['label', 'output', 'input', 'small'].map((tag) => knob.querySelector(tag));
    return [name, { label, output, input, note, stops: [] }];
  }));
  const train = box.querySelector('#knob-train'), trainLabel = box.querySelector('.choice label');
  const budget = box.querySelector('#knob-budget');
  const soft = box.querySelector('.softened');
  let due = false, waiting = null, softened = null;

  function hold() {
    clearTimeout(waiting);
  }
  function settle() {
    hold();
    if (due) { due = false; rested(); }
  }
  function release() {
    hold();
    if (due) waiting = setTimeout(settle, PAUSE_MS);
  }
  function arrive() {
    due = true;
    release();
  }
  for (const [name, { input }] of Object.entries(parts)) {
    input.addEventListener('pointerdown', hold);
    input.addEventListener('pointerup', release);
    input.addEventListener('pointercancel', release);
    input.addEventListener('blur', settle);
    input.addEventListener('input', () => { hold(); say(name); moved(name); });
    input.addEventListener('change', arrive); // when the pointer lets go, and at every press of a key
  }
  budget.addEventListener('input', () => budgeted(bytes()));
  train.addEventListener('change', () => { enable(); moved('temperature'); arrive(); });

  function say(name) {
    const { input, output, stops } = parts[name];
    const stop = stops[input.value];
    output.textContent = stop.label;
    input.setAttribute('aria-valuetext', stop.spoken);
    if (name === 'temperature') soften();
  }
  // what the teacher says at the temperature where the knob stands
  function soften() {
    const at = parts.temperature.input.value, shares = softened?.shares[at] ?? [];
    soft.hidden = !train.checked || shares.length === 0;
    if (soft.hidden) return;
    soft.querySelector('figcaption').textContent = softened.told;
    const largest = Math.max(...shares); // the likeliest fills the height, so that one sees the others come up to it
    soft.querySelector('ol').replaceChildren(...shares.map((share, place) => {
      const [item, bar, said, token] = ['li', 'i', 'b', 'span'].map((tag) => document.createElement(tag));
      bar.style.height = `${(100 * share) / largest}%`;
      said.textContent = softened.labels[at][place];
      token.textContent = softened.tokens[place];
      item.append(said, bar, token);
      return item;
    }));
  }
  const bytes = () => (budget.value > 0 ? budget.value * 1e6 : null);
  function enable() {
    parts.temperature.input.disabled = !train.checked;
    soften();
  }

  return {
    // Names and stops of a new table; the knobs stay at the values where they stand.
    offer(curve, alone) {
      softened = curve.softened;
      for (const name of KNOBS) {
        const { label, input, note } = parts[name];
        const value = parts[name].stops[input.value]?.value;
        label.textContent = curve[name].label;
        label.title = curve.words[`${name}_means`];
        note.textContent = curve[name].note;
        parts[name].stops = curve[name].stops;
        input.max = curve[name].stops.length - 1;
        if (value !== undefined) this.turn(name, value);
      }
      trainLabel.textContent = curve.words.train;
      box.ariaLabel = curve.words.knobs;
      box.querySelector('.budget label').textContent = curve.words.budget;
      // without a server nobody can train: the knob is only there when the recipe has it
      train.parentElement.hidden = alone;
      parts.temperature.input.closest('.knob').hidden = alone && !curve.training;
    },
    turn(name, value) {
      const { input, stops } = parts[name];
      const exact = stops.findIndex((stop) => stop.value === value);
      const distance = (stop) => Math.abs((stop.value ?? Infinity) - value);
      const nearest = stops.reduce((best, stop, n) => (distance(stop) < distance(stops[best]) ? n : best), 0);
      input.value = exact >= 0 ? exact : nearest;
      say(name);
    },
    // stands: {bits, sparsity, temperature}, as Python's Knobs; usual: the temperature while nothing is trained
    stand(stands, usual) {
      train.checked = stands.temperature !== null;
      this.turn('bits', stands.bits);
      this.turn('sparsity', stands.sparsity);
      this.turn('temperature', stands.temperature ?? usual);
      enable();
    },
    at: (name) => Number(parts[name].input.value),
    stands() {
      const value = (name) => parts[name].stops[parts[name].input.value].value;
      return { bits: value('bits'), sparsity: value('sparsity'), temperature: train.checked ? value('temperature') : null };
    },
    budget: () => budget.value,
    allow(megabytes) {
      budget.value = megabytes;
      budgeted(bytes());
    },
    fits(words) { box.querySelector('.fits').textContent = words; },
    speak(words) { box.querySelector('.spoken').textContent = words; },
    get training() { return train.checked; },
  };
}
