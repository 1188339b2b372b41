namespace PeftCore.Data;

/// <summary>Encodes texts for masked language modelling. Which tokens are masked is drawn for every epoch anew, by
/// <see cref="TokenMasking"/>. A text that is too long loses its end; a document is cut into blocks and loses nothing.</summary>
internal sealed class MaskedTextEncoder
{
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly PairEncoder _texts;
    private readonly TokenMasking _masking;

    public MaskedTextEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        _masking = new TokenMasking(tokenizer.MaskId ?? throw new BadInputException("The tokenizer has no mask token, which masked "
            + "language modelling needs; name mask_token in tokenizer_config.json, or use a model made for it."), tokenizer.VocabularySize);
        (_options, _report, _texts) = (options, report, new PairEncoder(tokenizer, options.MaxSeqLength, report));
    }

    /// <exception cref="BadInputException">A row is not a text.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        foreach (var row in rows)
        {
            _report.Rows++;
            int before = examples.Count;
            switch (row)
            {
                case TextRow text:
                    Add(_texts.Encode(row.Place, text.Text, null), row, examples);
                    break;
                case DocumentRow document:
                    AddBlocks(document, examples);
                    break;
                default:
                    throw row.Place.Error($"the row has {RowForm.NameOf(row)}, expected {{\"text\"}} alone for masked language modelling");
            }
            _report.Dropped += examples.Count == before ? 1 : 0;
        }
        return _report.Finish(rows, examples);
    }

    private void AddBlocks(DocumentRow document, List<Example> examples)
    {
        int[] ids = [.. DocumentPieces.Of(document.Text).SelectMany(_texts.Tokens)];
        foreach (int[] block in ids.Chunk(_options.MaxSeqLength - _texts.Template.Added))
        {
            Add(_texts.Template.Join(block).ToExample(), document, examples);
        }
    }

    private void Add(Example example, DataRow row, List<Example> examples)
    {
        if (example.IsSpecial.AsSpan().Contains(false))
        {
            examples.Add(example with { LabelsInPlace = true, Masking = _masking, TaskId = row.TaskId });
        }
    }
}
