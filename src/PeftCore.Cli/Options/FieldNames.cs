namespace PeftCore.Cli.Options;

/// <summary>Parses --fields and --label-names: pairs of names, a=b, with commas between them.</summary>
internal static class FieldNames
{
    /// <summary>The columns to rename, and null for those to drop: "Tweet text=text,Label=label,ID=".</summary>
    /// <exception cref="BadInputException">The text is not of this form, or names something twice.</exception>
    public static Dictionary<string, string?> Fields(string? text)
    {
        var fields = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (from, to) in Pairs("--fields", "COLUMN=NAME, or COLUMN= to drop a column", text))
        {
            if (to.Length > 0 && fields.ContainsValue(to))
            {
                throw new BadInputException($"--fields names \"{to}\" twice, for \"{fields.First(field => field.Value == to).Key}\" and "
                    + $"\"{from}\"; drop all but one.");
            }
            fields[from] = to.Length == 0 ? null : to;
        }
        return fields;
    }

    /// <summary>The names of labels: "0=no complaint,1=complaint". Several labels may have one name.</summary>
    /// <exception cref="BadInputException">The text is not of this form, or names a label twice.</exception>
    public static Dictionary<string, string> Labels(string? text)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (from, to) in Pairs("--label-names", "LABEL=NAME, such as 0=negative,1=positive", text))
        {
            labels[from] = to.Length > 0 ? to : throw new BadInputException($"--label-names gives \"{from}\" no name, expected " +
                $"{from}=NAME.");
        }
        return labels;
    }

    // A column may have an equals sign in its name; our names have none, so the last one divides the two.
    private static IEnumerable<(string From, string To)> Pairs(string flag, string form, string? text)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string part in text is null or "" ? [] : text.Split(','))
        {
            int equals = part.LastIndexOf('=');
            if (equals < 0)
            {
                throw new BadInputException($"{flag} has \"{part}\", expected {form}.");
            }
            string from = part[..equals].Trim();
            if (!seen.Add(from))
            {
                throw new BadInputException($"{flag} has \"{from}\" twice; write it once.");
            }
            yield return (from, part[(equals + 1)..].Trim());
        }
    }
}
