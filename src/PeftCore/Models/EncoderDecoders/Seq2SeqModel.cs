using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>An encoder-decoder (Sutskever et al. 2014; Vaswani et al. 2017): an encoder reads the source text, and a decoder predicts the
/// tokens of the target text from the encoder's hidden states and the target's tokens so far.</summary>
/// <param name="task">The task; null for a language model, which predicts the target text.</param>
internal abstract partial class Seq2SeqModel(TaskSpec? task) : TransformerModel
{
    private TaskHead? _otherHead;
    private string? _headName;
    private Linear? _outputLayer;

    /// <summary>Blocks of the decoder; <see cref="TransformerModel.LayerCount"/> counts those of the encoder.</summary>
    public abstract int DecoderLayerCount { get; }

    /// <summary>Longest source text, in hidden states of the encoder.</summary>
    private protected virtual int MaxSourceLength => MaxLength;

    /// <summary>The token before the first of every target text.</summary>
    public abstract int DecoderStartToken { get; }

    /// <summary>The padding token.</summary>
    public abstract int PadToken { get; }

    public override ModelTask Task => TaskSpec.Task;

    public override IReadOnlyList<string> Labels => TaskSpec.Labels;

    public override string? ProblemType => TaskSpec.ProblemType;

    internal override string? Pooling => TaskSpec.Pooling;

    internal override float? Temperature => TaskSpec.Temperature;

    /// <summary>The layer from the decoder's hidden states to logits over the vocabulary.</summary>
    public Linear Head => Generates ? _outputLayer! : throw new BadInputException(
        $"this {ModelType} model is for {TaskSpec.NameOf(Task)}, so it has no layer over the vocabulary; load it for seq2seq-lm");

    /// <summary>The task and the classes.</summary>
    private protected TaskSpec TaskSpec { get; } = task ?? new TaskSpec(ModelTask.Seq2SeqLm, []);

    /// <summary>Whether the encoder alone is used: for the class of each token and for features, as transformers' T5EncoderModel.</summary>
    private protected bool IsEncoderOnly => Task is ModelTask.TokenClassification or ModelTask.FeatureExtraction;

    internal override Linear? OutputLayer => _outputLayer;

    internal override IReadOnlyList<string> HeadModules => _otherHead is null || _headName is null ? [] : [_headName];

    internal override string HeadName => _headName ?? base.HeadName;

    internal override int BlockCount => LayerCount + DecoderLayerCount;

    internal override bool TakesPrefix => Generates;

    /// <summary>Whether the decoder predicts a target text.</summary>
    private bool Generates => Task is ModelTask.Seq2SeqLm or ModelTask.SpeechToText;

    /// <summary>Name of the layer over the vocabulary.</summary>
    private protected virtual string VocabularyHeadName => "lm_head";

    /// <summary>F32 (vocabulary): a constant that is added to the logits; null for none.</summary>
    private protected virtual Tensor? LogitsBias => null;

    /// <summary>The model as an encoder-decoder that generates text.</summary>
    /// <exception cref="BadInputException">It is none.</exception>
    internal static Seq2SeqModel Of(TransformerModel model) => model is Seq2SeqModel { Generates: true } generates ? generates : throw new BadInputException($"this {model.ModelType} model is for {TaskSpec.NameOf(model.Task)}, so it has no target texts; " +
            "load an encoder-decoder");

    /// <summary>Adds the head, after the body.</summary>
    /// <param name="tie">Whether a layer over the vocabulary has the embedding's table.</param>
    /// <param name="fields">What other heads read of the configuration.</param>
    private protected void AddHead(bool tie, Seq2SeqHeadFields fields)
    {
        ClassifiedToken = fields.EndToken;
        switch (Task)
        {
            case ModelTask.SequenceClassification:
                var head = new ClassificationHead(HiddenSize, TaskSpec.LabelCount, fields.Dropout, LayerCount + 2 * DecoderLayerCount);
                Named("classification_head", head, head.Output);
                _otherHead = new SequenceClassificationHead(PoolingMode.End, head.Forward, TaskSpec.Problem);
                break;
            case ModelTask.TokenClassification:
                var classifier = new Linear(HiddenSize, TaskSpec.LabelCount, bias: true);
                Named("classifier", classifier, classifier);
                var site = new DropoutSite(fields.Dropout, LayerCount, 0);
                _otherHead = new TokenClassificationHead(x => classifier.Forward(x.Dropout(site.Now(Mode))));
                break;
            case ModelTask.QuestionAnswering:
                var spans = new Linear(HiddenSize, 2, bias: true);
                Named("qa_outputs", spans, spans);
                _otherHead = new SpanHead(spans.Forward);
                break;
            case ModelTask.FeatureExtraction:
                _otherHead = new EmbeddingHead(EmbeddingHead.ModeOf(TaskSpec.Pooling, isDecoder: false), TaskSpec.Temperature);
                break;
            default:
                _outputLayer = Add(VocabularyHeadName, new Linear(HiddenSize, VocabularySize));
                if (tie)
                {
                    _outputLayer.Tie(TokenEmbedding.Weight);
                }
                break;
        }

        void Named(string name, Module module, Linear output) => (_headName, _outputLayer) = (Add(name, module).Name, output);
    }

    /// <summary>The model itself, without weights, with an untied head.</summary>
    internal override Seq2SeqModel Untied()
    {
        Head.Untie();
        return this;
    }

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var inputs = ToSource(arrays);
        if (!IsEncoderOnly)
        {
            // A decoder that does not predict a target text reads the source.
            int[] read = !Generates ? arrays.Ids : arrays.Labels ?? throw new BadInputException(
                $"a {ModelType} model needs the tokens of the target text as labels, because its decoder reads them");
            inputs = inputs.WithDecoder(ShiftRight(read, arrays.BatchSize));
        }
        // What the pass reads is uploaded before it, so that the pass can be captured. Virtual tokens change the inputs in the pass.
        if (VirtualTokenCount == 0)
        {
            Upload(inputs, inputs.Decoder);
        }
        if (ClassifiedToken is { } end)
        {
            inputs.UploadEnds(end);
        }
        _otherHead?.Upload(inputs);
        return inputs;
    }

    /// <inheritdoc/>
    public override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        TaskSpec.ToTargets(Backend, labels, batchSize, denominator);

    /// <summary>Uploads what the encoder reads: tokens, or sound.</summary>
    internal virtual ModelInputs ToSource(InputArrays arrays) => ModelInputs.Bidirectional(Backend, arrays);

    /// <summary>Uploads what the two stacks read of their inputs beside tokens, positions and ranges.</summary>
    private protected virtual void Upload(ModelInputs encoder, ModelInputs? decoder) { }

    /// <summary>The decoder's inputs from the labels of a batch: each row one place later, with a start token first.</summary>
    /// <param name="labels">(B, T'): −100 for padding.</param>
    /// <param name="batch">Rows B.</param>
    private protected virtual int[] ShiftRight(int[] labels, int batch) =>
        ShiftedLabels.FromStart(labels, batch, DecoderStartToken, PadToken);

    /// <summary>The decoder's hidden states after its last norm: (B, T) to (B, T', C); those of the encoder if it is used alone.</summary>
    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var (states, encoder) = Encode(inputs);
        if (IsEncoderOnly)
        {
            return scope.Return(states);
        }
        var decoder = inputs.Decoder ?? throw new ArgumentException("the inputs have no target text", nameof(inputs));
        return scope.Return(Decode(decoder.Crossing(encoder), states));
    }

    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(_otherHead is { } other ? other.Logits(OtherHeadInput(inputs), inputs) : HeadLogits(Hidden(inputs)));
    }

    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return Task switch
        {
            ModelTask.FeatureExtraction => [("last_hidden_state", Hidden(inputs))],
            ModelTask.QuestionAnswering => SpanHead.Outputs(Logits(inputs)),
            _ => base.Outputs(inputs),
        };
    }

    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        if (_otherHead is { } other)
        {
            return scope.Return(WithPenalty(other.Loss(OtherHeadInput(inputs), inputs, targets), targets));
        }
        var hidden = Hidden(inputs);
        using var head = new TensorScope(Head.Name);
        if (targets.Rows is { } rows)
        {
            hidden = hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(rows);
        }
        var sum = Head.Hook is null && Head.Bias is null && LogitsBias is null
            ? HeadInput(hidden).LinearCrossEntropy(Head.Weight.Value, targets.Tokens, 1)
            : HeadLogits(hidden).CrossEntropy(targets.Tokens, 1);
        var loss = sum.ScaleBy(targets.InverseCount);
        return scope.Return(head.Return(WithPenalty(loss, targets)));
    }

    /// <summary>The logits of hidden states, (…, C) to (…, vocabulary).</summary>
    internal Tensor HeadLogits(Tensor hidden)
    {
        using var scope = new TensorScope();
        var logits = Head.Forward(HeadInput(hidden));
        return scope.Return(LogitsBias is { } bias ? logits.AddRow(bias) : logits);
    }

    private Tensor OtherHeadInput(ModelInputs inputs) => Task == ModelTask.TokenClassification
        ? TaskHead.OfTokens(Hidden(inputs), inputs.Ids.Shape[1]) : Hidden(inputs);

    /// <summary>The head's input, such as scaled hidden states.</summary>
    private protected virtual Tensor HeadInput(Tensor hidden) => hidden;
}
