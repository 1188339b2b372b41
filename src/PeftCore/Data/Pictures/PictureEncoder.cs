using PeftCore.Models;

namespace PeftCore.Data;

/// <summary>Encodes pictures with their classes, or with the texts that belong to them.</summary>
internal sealed class PictureEncoder
{
    private readonly PictureReader _pictures;
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly PairEncoder? _texts;

    public PictureEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        (_options, _report) = (options, report);
        _pictures = options.Pictures
            ?? throw new ArgumentException("The options have no reader of pictures.", nameof(options));
        _texts = options.Task == ModelTask.Contrastive ? new PairEncoder(tokenizer, options.MaxSeqLength, report) : null;
    }

    /// <param name="rows">Rows with the path of a picture.</param>
    /// <param name="labels">The classes; null for pictures with texts.</param>
    /// <exception cref="BadInputException">A row is no picture with a class or a text, or a file is bad; the message names it.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows, LabelMap? labels)
    {
        var examples = new List<Example>(rows.Count);
        var bad = new BadFiles(_options.SkipBadFiles);
        foreach (var row in rows)
        {
            _report.Rows++;
            var picture = labels is null ? Described(row) : LabelMap.OfMedia(row);
            var encoded = labels is null ? Pair(picture) : Classified(picture, labels);
            if (bad.Read(row.Place, () => _pictures.SourceOf(picture.File)) is { } pixels)
            {
                examples.Add(encoded with { Pixels = pixels, TaskId = row.TaskId });
            }
        }
        _report.BadFiles = bad.Warning(rows.Count);
        return _report.Finish(rows, examples);
    }

    private static Example Classified(MediaRow row, LabelMap labels) =>
        Example.Unlabelled([]) with { ClassLabel = labels.IdOf(row.Place, row.Label!) };

    private Example Pair(MediaRow row)
    {
        var text = _texts!.Encode(row.Place, row.Text!, null);
        return text.Ids.Length > 0 ? text with { IsPair = true } : throw row.Place.Error("the text of the picture is empty");
    }

    private static MediaRow Described(DataRow row) => (row as MediaRow)?.RequireWords() is { Text.Length: > 0 } picture ? picture
        : throw row.Place.Error(
        $"the row has {RowForm.NameOf(row)}, expected {{\"image\", \"text\"}}, a picture and what it shows");
}
