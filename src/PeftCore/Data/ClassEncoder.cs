namespace PeftCore.Data;

/// <summary>Encodes labelled texts and pairs for classification, with one class or several each, or for regression where labels are
/// numbers.</summary>
internal sealed class ClassEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
{
    private readonly PairEncoder _texts = new(tokenizer, options.MaxSeqLength, report);

    /// <summary>Encodes rows.</summary>
    /// <param name="rows">Labelled rows.</param>
    /// <param name="labels">The classes; null for regression.</param>
    /// <exception cref="BadInputException">A row has no label, or one that is not in the map.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows, LabelMap? labels)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var examples = new List<Example>(rows.Count);
        foreach (var row in rows)
        {
            report.Rows++;
            var labelled = LabelMap.Labelled(row);
            var example = _texts.Encode(row.Place, labelled.Text, labelled.Pair);
            if (example.Ids.Length == 0)
            {
                report.Dropped++;
                continue;
            }
            examples.Add(labels is null ? example with { Score = NumberOf(labelled), TaskId = row.TaskId }
                : example with { ClassLabel = labels.IdOf(labelled), TaskId = row.TaskId });
        }
        return report.Finish(rows, examples);
    }

    /// <summary>Encodes rows with several classes each.</summary>
    /// <param name="rows">Rows with lists of classes.</param>
    /// <param name="labels">The classes.</param>
    /// <exception cref="BadInputException">A row has no list of classes, or one that is not in the map.</exception>
    public List<Example> EncodeSeveral(IReadOnlyList<DataRow> rows, LabelMap labels)
    {
        var examples = new List<Example>(rows.Count);
        foreach (var row in rows)
        {
            report.Rows++;
            var several = LabelMap.Several(row);
            float[] flags = labels.FlagsOf(several);
            var example = _texts.Encode(row.Place, several.Text, several.Pair);
            if (example.Ids.Length == 0)
            {
                report.Dropped++;
                continue;
            }
            examples.Add(example with { ClassFlags = flags, TaskId = row.TaskId });
        }
        return report.Finish(rows, examples);
    }

    private static double NumberOf(LabelledRow row) =>
        row.Value ?? throw row.Place.Error($"the label \"{row.Label}\" is a class, expected a number to predict");
}
