using System.Globalization;

namespace PeftCore.Data;

/// <summary>Reads the plain format of the sentiment treebank: on each line a class number, a space, and the text.</summary>
internal static class LabelledLines
{
    public static List<DataRow> Read(string path, ReadOptions options)
    {
        options.CheckNoColumns(path);
        var rows = new List<DataRow>();
        int number = 0;
        // Only a line feed ends a line: the texts may contain the other line ends of Unicode.
        foreach (string raw in DataBytes.ReadText(path).Split('\n'))
        {
            number++;
            var line = raw.AsSpan().Trim();
            if (line.IsEmpty)
            {
                continue;
            }

            int space = line.IndexOfAny(" \t");
            if (space < 0 || !NumberText.TryDigits(line[..space], out int label))
            {
                throw new RowPlace(path,
                    number).Error("expected a class number, a space and the text (other formats are known by the endings "
                    + ".jsonl, .json, .csv, .tsv and .txt)");
            }

            var row = new LabelledRow(new RowPlace(path, number), line[space..].TrimStart().ToString(),
                label.ToString(CultureInfo.InvariantCulture));
            rows.Add(options.Named(row with { Value = options.NumberLabels ? label : null }));
        }
        return rows.Count > 0 ? rows
            : throw new BadInputException($"{path}: the file has nothing but white space, expected rows of {RowForm.Accepted}, or text.");
    }
}
