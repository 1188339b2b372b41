namespace PeftCore.Data;

/// <summary>Encodes pairs of source and target for encoder-decoders. The target ends with the end-of-text token. A source that is too long
/// loses its end, as does a target; the special tokens are kept. A label is never cut: without a maximum, the longest label gives the
/// length of targets.</summary>
internal sealed class SourceEncoder
{
    private readonly ITextEncoder _tokenizer;
    private readonly EncodeOptions _options;
    private readonly EncodeReport _report;
    private readonly PairEncoder _source;
    private readonly int? _eos;

    public SourceEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        (_tokenizer, _options, _report) = (tokenizer, options, report);
        _source = new PairEncoder(tokenizer, options.MaxSeqLength, report);
        _eos = (options.EosId ?? tokenizer.EosId) is int eos && !_source.Template.EndsWith(eos) ? eos : null;
        report.NoEnd |= options.EosId is null && tokenizer.EosId is null;
    }

    /// <exception cref="BadInputException">A row has no source and target.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        var targets = new PairEncoder(_tokenizer, TargetLength(rows) - (_eos is null ? 0 : 1), new EncodeReport());
        int cut = 0;
        foreach (var row in rows)
        {
            _report.Rows++;
            var (source, target) = TextsOf(row);
            var example = _source.Encode(row.Place, source, null);
            int[] ids = TargetOf(targets, row, target, ref cut);
            if (example.Ids.Length > 0 && ids.Length > 0)
            {
                examples.Add(example with { TargetIds = ids, IsLabel = row is LabelledRow, TaskId = row.TaskId });
            }
            else
            {
                _report.Dropped++;
            }
        }
        _report.TargetsCut += cut;
        return _report.Finish(rows, examples);
    }

    /// <summary>Tokens of the longest target, special tokens included: a target length that cuts none, as for labels.</summary>
    public int LongestTarget(IReadOnlyList<DataRow> rows) => rows.Select(row => TextsOf(row).Target).Distinct(StringComparer.Ordinal)
        .Max(TokensOf);

    /// <summary>The source and the target of a row. Prompts, instructions and labelled texts have them too.</summary>
    public static (string Source, string Target) TextsOf(DataRow row) => row switch
    {
        SourceRow pair => (pair.Source, pair.Target),
        PromptRow prompt => (prompt.Prompt, prompt.Completion),
        InstructionRow { Input.Length: 0 } instruction => (instruction.Instruction, instruction.Output),
        InstructionRow instruction => ($"{instruction.Instruction}\n\n{instruction.Input}", instruction.Output),
        LabelledRow { Pair: { } second } labelled => ($"{labelled.Text}\n{second}", labelled.Label),
        LabelledRow labelled => (labelled.Text, labelled.Label),
        _ => throw row.Place.Error($"the row has {RowForm.NameOf(row)}, expected {{\"source\", \"target\"}}, {{\"prompt\", " +
            $"\"completion\"}}, "
            + "{\"instruction\", \"output\"} or {\"text\", \"label\"} for an encoder-decoder"),
    };

    private int TargetLength(IReadOnlyList<DataRow> rows) => _options.MaxTargetLength
        ?? (rows.Count > 0 && rows.All(row => row is LabelledRow) ? LongestTarget(rows) : _options.MaxSeqLength);

    private int TokensOf(string target) => _source.Tokens(target).Length + _source.Template.Added + (_eos is null ? 0 : 1);

    private int[] TargetOf(PairEncoder targets, DataRow row, string target, ref int cut)
    {
        int[] ids = targets.Encode(row.Place, target, null).Ids;
        ids = _eos is int eos ? [.. ids, eos] : ids;
        int tokens = TokensOf(target);
        if (ids.Length < tokens && row is LabelledRow)
        {
            throw row.Place.Error($"the label \"{target}\" has {tokens} tokens, but targets may have {ids.Length}, which would cut it; raise "
                + "max_target_length, or leave it out for the length of the longest label");
        }
        cut += ids.Length < tokens ? 1 : 0;
        return ids;
    }
}
