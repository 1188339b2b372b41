namespace PeftCore.Data;

/// <summary>Encodes pairs of source and target for encoder-decoders. The target ends with the end-of-text token. A source that is too long
/// loses its end, as does a target; the special tokens are kept.</summary>
internal sealed class SourceEncoder
{
    private readonly EncodeReport _report;
    private readonly PairEncoder _source;
    private readonly PairEncoder _target;
    private readonly int? _eos;

    public SourceEncoder(ITextEncoder tokenizer, EncodeOptions options, EncodeReport report)
    {
        options.Check();
        _report = report;
        _source = new PairEncoder(tokenizer, options.MaxSeqLength, report);
        _eos = (options.EosId ?? tokenizer.EosId) is int eos && !_source.Template.EndsWith(eos) ? eos : null;
        report.NoEnd |= options.EosId is null && tokenizer.EosId is null;
        int length = (options.MaxTargetLength ?? options.MaxSeqLength) - (_eos is null ? 0 : 1);
        _target = new PairEncoder(tokenizer, length, new EncodeReport());
    }

    /// <exception cref="BadInputException">A row has no source and target.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        int cut = 0;
        foreach (var row in rows)
        {
            _report.Rows++;
            var (source, target) = TextsOf(row);
            var example = _source.Encode(row.Place, source, null);
            int[] ids = TargetOf(row.Place, target, ref cut);
            if (example.Ids.Length > 0 && ids.Length > 0)
            {
                examples.Add(example with { TargetIds = ids, TaskId = row.TaskId });
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
        .Max(target => _target.Tokens(target).Length + _target.Template.Added + (_eos is null ? 0 : 1));

    /// <summary>The source and the target of a row. Prompts, instructions and labelled texts have them too.</summary>
    public static (string Source, string Target) TextsOf(DataRow row) => row switch
    {
        SourceRow pair => (pair.Source, pair.Target),
        PromptRow prompt => (prompt.Prompt, prompt.Completion),
        InstructionRow { Input.Length: 0 } instruction => (instruction.Instruction, instruction.Output),
        InstructionRow instruction => ($"{instruction.Instruction}\n\n{instruction.Input}", instruction.Output),
        LabelledRow { Pair: { } second } labelled => ($"{labelled.Text}\n{second}", labelled.Label),
        LabelledRow labelled => (labelled.Text, labelled.Label),
        _ => throw row.Place.Error($"the row has {RowForm.NameOf(row)}, expected {{\"source\", \"target\"}}, {{\"prompt\", \"completion\"}}, "
            + "{\"instruction\", \"output\"} or {\"text\", \"label\"} for an encoder-decoder"),
    };

    private int[] TargetOf(RowPlace place, string target, ref int cut)
    {
        var example = _target.Encode(place, target, null);
        cut += example.Ids.Length < _target.Tokens(target).Length + _target.Template.Added ? 1 : 0;
        return _eos is int eos ? [.. example.Ids, eos] : example.Ids;
    }
}
