// A token's way, walked by hand or played. Python computed every number and made every sentence; here a token, a head and
// a stop are chosen, and what belongs together is lit together: a word, its bar, its row and its term of the formula.

const PAUSE_MS = 1400;
const SMALLEST_TERM = 0.05; // shares below it are gathered in one term

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector('.journey');
  root.walk ??= startJourney(root);
  root.walk.take(data);
  return () => root.walk.pause();
}

function startJourney(root) {
  const find = (query) => root.querySelector(query);
  const words = find('.words'), path = find('.path'), slider = find('.bar input'), output = find('.bar output');
  const heads = find('.heads'), picture = find('.picture'), formula = find('.formula');
  let data = null, stop = 0, place = 0, head = 0, timer = null, lit = null;

  const made = (kind, name, text) => {
    const element = document.createElement(kind);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const filled = (template, values) => template.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
  const here = () => data.stops[stop];
  const shares = () => (here().kind === 'attention' ? data.attention[here().block][head][place] : null);

  const choose = (change) => { change(); draw(); };
  const pause = () => { clearInterval(timer); timer = null; if (data) buttons(); };
  const play = () => {
    if (timer) return pause();
    if (stop === data.stops.length - 1) stop = 0;
    timer = setInterval(() => {
      if (stop === data.stops.length - 1) pause();
      else choose(() => { stop += 1; });
    }, PAUSE_MS);
    draw();
  };
  const acts = {
    first: () => choose(() => { stop = 0; }),
    back: () => choose(() => { stop = Math.max(stop - 1, 0); }),
    on: () => choose(() => { stop = Math.min(stop + 1, data.stops.length - 1); }),
    play,
  };
  for (const [act, does] of Object.entries(acts))
    find(`[data-act="${act}"]`).addEventListener('click', () => { if (act !== 'play') pause(); does(); });
  slider.addEventListener('input', () => { pause(); choose(() => { stop = Number(slider.value); }); });

  // Everything that stands for token t: its word, its bar, its line, its term.
  const light = (t) => {
    lit = t;
    for (const one of root.querySelectorAll('[data-token]')) one.classList.toggle('lit', Number(one.dataset.token) === t);
  };
  for (const [entered, left] of [['pointerover', 'pointerout'], ['focusin', 'focusout']]) {
    root.addEventListener(entered, (event) => {
      const one = event.target.closest('[data-token]');
      if (one) light(Number(one.dataset.token));
    });
    root.addEventListener(left, () => light(null));
  }

  // A row of choices of which one is chosen: arrows move the choice, as in any group of radio buttons.
  function group(box, labels, chosen, take) {
    box.replaceChildren(...labels.map((label, number) => {
      const button = made('button', '', label);
      button.type = 'button';
      button.role = 'radio';
      button.ariaChecked = String(number === chosen);
      button.tabIndex = number === chosen ? 0 : -1;
      button.addEventListener('click', () => choose(() => take(number)));
      button.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const next = (number + step + labels.length) % labels.length;
        choose(() => take(next));
        box.querySelectorAll('button')[next].focus();
      });
      return button;
    }));
    return [...box.children];
  }

  function buttons() {
    const signs = { first: '«', back: '‹', play: timer ? '❚❚' : '▶', on: '›' };
    const names = { first: data.words.first, back: data.words.back, play: timer ? data.words.pause : data.words.play,
      on: data.words.on };
    for (const act of Object.keys(signs)) {
      const button = find(`[data-act="${act}"]`);
      button.textContent = act === 'play' ? `${signs[act]} ${names[act]}` : signs[act];
      button.ariaLabel = button.title = names[act];
    }
  }

  function draw() {
    const one = here(), told = data.kinds[one.kind], values = { token: data.tokens[place], block: one.block + 1 };
    buttons();
    slider.max = data.stops.length - 1;
    slider.value = stop;
    slider.ariaLabel = data.words.way;
    slider.ariaValueText = filled(told.title, values);
    output.textContent = `${stop + 1} / ${data.stops.length}`;
    const focused = root.getRootNode().activeElement;
    const kept = focused && words.contains(focused);
    group(words, data.tokens, place, (number) => { place = number; }).forEach((button, t) => {
      button.dataset.token = t;
      button.classList.toggle('later', t > place && one.kind === 'attention');
      button.style.setProperty('--share', shares()?.[t] ?? 0);
    });
    if (kept) words.children[place].focus();
    words.ariaLabel = data.words.token;
    for (const button of path.querySelectorAll('button'))
      button.ariaCurrent = Number(button.dataset.stop) === stop ? 'step' : null;
    find('h4').textContent = filled(told.title, values);
    find('.told').textContent = filled(told.told, values);
    find('.note').textContent = filled(told.note, values);
    heads.hidden = one.kind !== 'attention';
    if (!heads.hidden) {
      const had = focused && heads.contains(focused);
      group(heads, data.attention[0].map((_, h) => String(h + 1)), head, (number) => { head = number; });
      if (had) heads.children[head].focus();
      heads.ariaLabel = data.words.head;
      heads.prepend(made('span', '', data.words.head));
    }
    picture.replaceChildren(...scene(one));
    term(one, told, values);
    if (lit !== null) light(lit);
  }

  // The formula of a stop. Attention is written out with the numbers of this token: one term for each word it looks at.
  function term(one, told, values) {
    formula.hidden = !told.formula;
    formula.replaceChildren(filled(told.formula, values));
    if (one.kind !== 'attention') return;
    const looked = [...shares().entries()].filter(([, share]) => share >= SMALLEST_TERM).sort((a, b) => b[1] - a[1]);
    const rest = 1 - looked.reduce((sum, [, share]) => sum + share, 0);
    looked.forEach(([t, share], number) => {
      if (number) formula.append(' + ');
      const part = made('span', 'term', `${share.toFixed(2)}·v(${data.tokens[t]})`);
      part.dataset.token = t;
      formula.append(part);
    });
    if (rest > 0.005) formula.append(` + ${rest.toFixed(2)}·v(…)`);
  }

  function scene(one) {
    const answer = data.answers[place];
    if (one.kind === 'attention') return [bars(shares().slice(0, place + 1).map((share, t) => [data.tokens[t], share, share, t]))];
    if (one.kind === 'scores' || one.kind === 'chances') {
      const of = (entry) => (one.kind === 'scores' ? entry[1] : entry[2]);
      const rows = answer.best.map((entry) => [entry[0], of(entry), of(entry), null, answer.right?.[0] === entry[0]]);
      if (answer.right && !answer.best.some((entry) => entry[0] === answer.right[0]))
        rows.push([answer.right[0], of(answer.right), of(answer.right), null, true]);
      return [bars(rows, one.kind === 'scores')];
    }
    if (one.kind === 'loss') {
      if (!answer.right) return [made('p', '', data.words.last)];
      const [token, , chance] = answer.right;
      return [made('p', 'big', `−ln ${chance.toPrecision(3)} = ${answer.loss.toFixed(2)}`),
        made('p', '', filled(data.words.right, { token, share: percent(chance) }))];
    }
    return [lines(one)];
  }

  function bars(rows, signed = false) {
    const box = made('div', 'shares'), most = Math.max(...rows.map((row) => Math.abs(row[1])), 1e-9);
    for (const [token, size, value, t, right] of rows) {
      const row = made('div', right ? 'share right' : 'share');
      if (t !== null) row.dataset.token = t;
      const bar = made('span');
      bar.append(made('i'));
      bar.firstChild.style.width = `${(100 * Math.max(size, 0)) / most}%`;
      row.append(made('span', '', token), bar, made('b', '', signed ? value.toFixed(2) : percent(value)));
      box.append(row);
    }
    return box;
  }

  // The rows of all tokens as colours, the chosen one first to the eye.
  function lines(one) {
    const box = made('div', 'lines'), most = Math.max(...one.rows[place].map(Math.abs), 1e-9);
    one.rows.forEach((row, t) => {
      const line = made('div', t === place ? 'mine' : '');
      line.dataset.token = t;
      const cells = made('div', 'cells');
      cells.ariaHidden = 'true'; // the size beside it says what can be said of so many numbers
      for (const number of row) {
        const cell = made('span', 'cell');
        cell.title = number.toFixed(3);
        cell.style.setProperty('--tint', number < 0 ? 'var(--minus)' : 'var(--plus)');
        cell.style.setProperty('--strength', `${Math.min(100, (100 * Math.abs(number)) / most)}%`);
        cells.append(cell);
      }
      line.append(made('span', '', data.tokens[t]), cells, made('b', '', one.sizes[t].toFixed(2)));
      box.append(line);
    });
    return box;
  }

  return {
    pause,
    take(found) {
      const same = data && data.tokens.join('\n') === found.tokens.join('\n');
      data = found;
      if (!same) { pause(); stop = 0; place = data.tokens.length - 1; head = 0; }
      const rows = new Map(); // a line for what stands alone, one for the four stops of a block
      data.stops.forEach((one, number) => {
        const key = one.block < 0 ? one.kind : one.block, inside = one.block >= 0;
        if (!rows.has(key)) {
          const item = made('li', inside ? 'block' : '');
          if (inside) item.append(made('span', '', filled(data.words.block, { block: one.block + 1 })));
          rows.set(key, item);
        }
        const told = data.kinds[one.kind], button = made('button', '', told.short);
        button.type = 'button';
        button.dataset.stop = number;
        button.title = button.ariaLabel = filled(told.title, { block: one.block + 1 });
        button.addEventListener('click', () => { pause(); choose(() => { stop = number; }); });
        rows.get(key).append(button);
      });
      path.replaceChildren(...rows.values());
      draw();
    },
  };
}
