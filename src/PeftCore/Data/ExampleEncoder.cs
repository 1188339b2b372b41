using PeftCore.Models;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Encodes rows to samples of a task. For a causal model: token ids, and labels with the prompt masked. A sample that is too long
/// loses the start of its prompt, so that the end of the completion is always learned; a text without a prompt loses its end; a document is
/// cut into blocks and loses nothing.</summary>
/// <example>
/// <code>
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// var encoder = new ExampleEncoder(tokenizer, new EncodeOptions { MaxSeqLength = 64, MaskPrompt = true });
/// var samples = encoder.Encode([DataRow.OfPrompt("When does the shop open?\n", "At nine.")]);
/// Console.WriteLine($"{samples[0].Ids.Length} tokens, {samples[0].Labels.Count(label => label >= 0)} of them with a label");
/// </code>
/// </example>
public sealed class ExampleEncoder
{
    private readonly ITextEncoder _tokenizer;
    private readonly EncodeOptions _options;
    private readonly RowText _text;
    private readonly int? _eos;

    /// <summary>Creates an encoder.</summary>
    /// <param name="tokenizer">The model's tokenizer; null for a model that reads no text.</param>
    /// <param name="options">The options.</param>
    public ExampleEncoder(Tokenizer? tokenizer, EncodeOptions options) :
        this(tokenizer is null ? new NoText() : new TokenizerText(tokenizer, options?.ChatTemplate), options!)
    { }

    internal ExampleEncoder(ITextEncoder tokenizer, EncodeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        (_tokenizer, _options, _eos) = (tokenizer, options, options.AppendEos ? options.EosId ?? tokenizer.EosId : null);
        _text = new RowText(tokenizer, options.MaskPrompt, Report);
    }

    /// <summary>Counts of the samples that were cut or left out so far.</summary>
    internal EncodeReport Report { get; } = new();

    /// <summary>Sentences for the user about the samples that were cut or left out so far.</summary>
    public IEnumerable<string> Warnings => Report.Warnings(_options.MaxSeqLength);

    /// <summary>Encodes rows for the task of the options.</summary>
    /// <exception cref="BadInputException">A row cannot be encoded, has another form than the task needs, or a label that the head does not
    /// have; or no row has a token to learn.</exception>
    public List<Example> Encode(IReadOnlyList<DataRow> rows)
    {
        Given.Items(rows);
        return _options.Task switch
        {
            ModelTask.CausalLm => EncodeTexts(rows),
            ModelTask.Seq2SeqLm => new SourceEncoder(_tokenizer, _options, Report).Encode(rows),
            ModelTask.SequenceClassification => EncodeLabelled(rows),
            ModelTask.TokenClassification => new TokenClassEncoder(_tokenizer, _options, Report).Encode(rows, Labels),
            ModelTask.QuestionAnswering => new QuestionEncoder(_tokenizer, _options, Report).Encode(rows),
            ModelTask.ImageClassification => new PictureEncoder(_tokenizer, _options, Report).Encode(rows, Labels),
            ModelTask.Contrastive => new PictureEncoder(_tokenizer, _options, Report).Encode(rows, null),
            ModelTask.NoisePrediction => new NoiseEncoder(_options, Report).Encode(rows),
            ModelTask.Ctc or ModelTask.SpeechToText => new SoundEncoder(_tokenizer, _options, Report).Encode(rows),
            ModelTask.MaskedLm => new MaskedTextEncoder(_tokenizer, _options, Report).Encode(rows),
            _ => new ContrastEncoder(_tokenizer, _options, Report).Encode(rows),
        };
    }

    private List<Example> EncodeLabelled(IReadOnlyList<DataRow> rows)
    {
        var encoder = new ClassEncoder(_tokenizer, _options, Report);
        string problem = _options.ProblemType ?? (rows is [LabelsRow, ..] ? Problems.MultiLabel
            : rows.All(row => row is LabelledRow { Value: not null }) ? Problems.Regression : Problems.SingleLabel);
        return problem == Problems.MultiLabel ? encoder.EncodeSeveral(rows, Labels)
            : encoder.Encode(rows, problem == Problems.Regression ? null : Labels);
    }

    private LabelMap Labels => LabelMap.Of(_options.Labels
        ?? throw new ArgumentException($"The options have no labels, which {_options.Task} needs: those of the model."));

    private List<Example> EncodeTexts(IReadOnlyList<DataRow> rows)
    {
        var examples = new List<Example>(rows.Count);
        foreach (var row in rows)
        {
            Report.Rows++;
            int before = examples.Count;
            if (row is DocumentRow document)
            {
                AddBlocks(document, examples);
            }
            else
            {
                Add(EncodeRow(row), examples);
            }

            Report.Dropped += examples.Count == before ? 1 : 0;
        }
        return Report.Finish(rows, examples);
    }

    /// <summary>Encodes labelled rows for classification.</summary>
    /// <exception cref="BadInputException">A row has no label, or one that is not in the map.</exception>
    internal List<Example> EncodeClasses(IReadOnlyList<DataRow> rows, LabelMap labels) =>
        new ClassEncoder(_tokenizer, _options, Report).Encode(rows, labels);

    /// <summary>Encodes words to tag: see <see cref="TokenClassEncoder.EncodeWords"/>.</summary>
    internal Example EncodeWords(DataRow row) => new TokenClassEncoder(_tokenizer, _options, Report).EncodeWords(row);

    private Example EncodeRow(DataRow row)
    {
        var sample = _text.Of(row);
        var encoded = _tokenizer.Encode(sample.Text, addSpecialTokens: !sample.IsRendered);
        bool[] learned = Learned(sample, encoded);
        int[] ids = encoded.Ids;
        Report.NoEnd |= !sample.IsRendered && _options.AppendEos && _eos is null;
        if (!sample.IsRendered && _eos is int eos && (ids.Length == 0 || ids[^1] != eos))
        {
            (ids, learned) = ([.. ids, eos], [.. learned, true]);
        }

        return Cut(ids, learned, LeadingSpecials(encoded), fromLeft: sample.Learned is not null) with { TaskId = row.TaskId };
    }

    private bool[] Learned(SampleText sample, EncodedText encoded)
    {
        bool[] learned = new bool[encoded.Ids.Length];
        if (sample.Learned is null || !_options.MaskPrompt)
        {
            Array.Fill(learned, true);
            return learned;
        }
        int part = 0;
        bool joined = false;
        for (int i = 0; i < learned.Length; i++)
        {
            if (encoded.IsSpecial[i])
            {
                // Special tokens cover no text; those after the last token of the text end the completion.
                learned[i] = i > 0 && encoded.IsSpecial.AsSpan(i).IndexOf(false) < 0;
                continue;
            }
            while (part < sample.Learned.Count - 1 && encoded.Starts[i] >= sample.Learned[part].End)
            {
                part++;
            }

            (int start, int end) = sample.Learned[part];
            learned[i] = encoded.Ends[i] > start && encoded.Starts[i] < end;
            joined |= learned[i] && encoded.Starts[i] < start;
        }
        Report.Joined += joined ? 1 : 0;
        return learned;
    }

    private Example Cut(int[] ids, bool[] learned, int kept, bool fromLeft)
    {
        int excess = ids.Length - _options.MaxSeqLength;
        if (excess > 0)
        {
            Report.Cut++;
            Report.TokensCut += excess;
            // The special tokens at the start stay, unless they leave no room for learned tokens.
            int from = fromLeft ? kept < _options.MaxSeqLength ? kept : 0 : ids.Length - excess;
            ids = [.. ids[..from], .. ids[(from + excess)..]];
            learned = [.. learned[..from], .. learned[(from + excess)..]];
        }
        int[] labels = Masked(ids.Length);
        for (int i = 1; i < ids.Length; i++)
        {
            if (learned[i])
            {
                labels[i] = ids[i];
            }
        }

        return new Example(ids, labels);
    }

    private static void Add(Example example, List<Example> examples)
    {
        if (example.TrainableTokens > 0)
        {
            examples.Add(example);
        }
    }

    private void AddBlocks(DocumentRow document, List<Example> examples)
    {
        var ids = new List<int>();
        foreach (string piece in DocumentPieces.Of(document.Text))
        {
            ids.AddRange(_tokenizer.Encode(piece, addSpecialTokens: false).Ids);
        }

        Report.NoEnd |= _options.AppendEos && _eos is null;
        if (_eos is int eos)
        {
            ids.Add(eos);
        }

        int size = _options.MaxSeqLength;
        for (int at = 0; at < ids.Count; at += size)
        {
            // A last block of one token would have no target: it starts one token earlier.
            int start = at > 0 && at + 1 == ids.Count ? at - 1 : at;
            int[] block = [.. ids.GetRange(start, Math.Min(size, ids.Count - start))];
            int[] labels = [.. block];
            labels[0] = Example.Masked;
            Add(new Example(block, labels), examples);
        }
    }

    // A chat template writes the begin-of-text token into the text.
    private int LeadingSpecials(EncodedText encoded)
    {
        int first = encoded.IsSpecial.AsSpan().IndexOf(false);
        return first > 0 ? first : encoded.Ids.Length > 0 && encoded.Ids[0] == _tokenizer.BosId ? 1 : 0;
    }

    private static int[] Masked(int length)
    {
        int[] labels = new int[length];
        Array.Fill(labels, Example.Masked);
        return labels;
    }
}
