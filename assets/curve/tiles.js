// The three tiles: Python made the words, so that nothing here rounds, translates or divides.

const TILES = ['quality', 'size', 'speed'];

function makeTiles(section) {
  const drawn = TILES.map((name) => makeTile(section.querySelector(`[data-tile="${name}"]`)));
  const box = section.querySelector('.tiles'), verdict = section.querySelector('.verdict');
  return {
    draw(cell, words) {
      box.ariaLabel = words.figures;
      cell.tiles.forEach((tile, number) => drawn[number](tile, TILES[number], words));
      verdict.textContent = cell.verdict;
    },
  };
}

function makeTile(article) {
  const part = (parent, kind, name) => {
    const made = parent.appendChild(document.createElement(kind));
    made.className = name;
    return made;
  };
  const top = part(article, 'p', 'name');
  const title = part(top, 'span', 'title'), badge = part(top, 'span', 'badge');
  const headline = part(article, 'p', 'headline'), detail = part(article, 'p', 'detail');
  const interval = part(article, 'p', 'interval');
  const [base, value] = ['base', 'value'].map((name) => {
    const bar = part(article, 'div', 'bar');
    bar.ariaHidden = 'true'; // the words beside it say the same
    return part(bar, 'i', name);
  });

  return (tile, name, words) => {
    article.dataset.side = tile.side;
    // for whoever reads the figure itself, with every digit, as the tests do
    article.dataset.value = tile.value ?? '';
    article.dataset.low = tile.low ?? '';
    article.dataset.high = tile.high ?? '';
    title.textContent = words[name];
    title.title = words[`${name}_means`]; // what the term means, on hover
    badge.textContent = words[tile.side] ?? '';
    headline.textContent = tile.headline;
    detail.textContent = tile.detail;
    interval.textContent = tile.interval;
    const longest = Math.max(tile.base ?? 0, tile.value ?? 0);
    base.style.width = share(tile.base, longest);
    value.style.width = share(tile.value, longest);
  };
}

function share(value, longest) {
  return value !== null && longest > 0 ? `${(100 * value) / longest}%` : '0%';
}
