/** The sections of a report. */

import type { Header } from "../format";

export interface SectionFacts {
  id: string;
  title: string;
}

/** Return the sections of a report in their order. A section without data is absent. */
export function sectionsOf(header: Header): SectionFacts[] {
  const { rows, evaluation, latents, maps, anomalies, search, decoder } = header;
  const sections: [string, string, boolean][] = [
    ["summary", "Summary", true],
    ["rows", "Best, typical and worst rows", Boolean(rows && rows.count > 0 && (rows.originals || decoder))],
    ["columns", "Reconstruction of each column", Boolean(evaluation?.columns.length)],
    ["latents", "Latents", Boolean(latents || (rows && maps.length))],
    ["anomalies", "Anomalies", Boolean(anomalies)],
    ["reliability", "Reliability of the probabilities", Boolean(anomalies?.reliability)],
    ["search", "Search", Boolean(search)],
    ["about", "About this page", true],
  ];
  return sections.flatMap(([id, title, there]) => (there ? [{ id: `report-${id}`, title }] : []));
}
