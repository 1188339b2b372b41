using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>wav2vec 2.0 (Baevski et al. 2020) and XLS-R (Babu et al. 2021): convolutions turn samples into a frame every 20 ms, a
/// transformer reads the frames, and a linear head predicts a symbol of each, learned by connectionist temporal classification.</summary>
internal sealed class Wav2Vec2 : TransformerModel
{
    /// <summary>Dropout outside the blocks. SpecAugment has the sites after these.</summary>
    internal const int FeatureSite = 0, EmbeddingSite = 1;

    private const string Body = "wav2vec2";
    private const string MaskVector = "masked_spec_embed";

    private readonly Wav2Vec2Config _config;
    private readonly Wav2Vec2Features _features;
    private readonly Wav2Vec2Projection _projection;
    private readonly Module? _maskHolder;
    private readonly Wav2Vec2Positions _positions;
    private readonly LayerNorm _norm;
    private readonly Wav2Vec2Block[] _blocks;
    private readonly Linear _head;

    /// <summary>Declares the model without weights.</summary>
    public Wav2Vec2(Wav2Vec2Config config)
    {
        _config = config;
        if (config.HasMaskVector)
        {
            _maskHolder = AddPath(BasePrefix + MaskVector, new Parameter([config.HiddenSize]));
        }
        _features = AddPath(BasePrefix + "feature_extractor", new Wav2Vec2Features(config));
        _projection = AddPath(BasePrefix + "feature_projection", new Wav2Vec2Projection(config));
        _positions = AddPath(BasePrefix + "encoder.pos_conv_embed", new Wav2Vec2Positions(config));
        _norm = AddPath(BasePrefix + "encoder.layer_norm", new LayerNorm(config.HiddenSize, config.Epsilon));
        var layers = AddPath(BasePrefix + "encoder.layers", new ModuleList());
        _blocks = [.. Enumerable.Range(0, config.Layers).Select(i => layers.Append(new Wav2Vec2Block(config, i)))];
        _head = Add("lm_head", new Linear(config.HiddenSize, config.VocabularySize, bias: true));
    }

    public override string ModelType => Body;

    public override ModelTask Task => ModelTask.Ctc;

    public override int HiddenSize => _config.HiddenSize;

    public override int LayerCount => _config.Layers;

    /// <summary>Samples of the longest recording: positions come from a convolution, so nothing but memory limits it.</summary>
    public override int MaxLength => 1 << 30;

    public override int HeadCount => _config.Heads;

    internal override string BasePrefix => Body + ".";

    internal override bool ReadsTokens => false;

    internal override int WrittenSymbols => _config.VocabularySize;

    internal override Linear? OutputLayer => _head;

    internal override IReadOnlyList<Module> FinalNorms => _config.NormFirst ? [_norm] : [];

    internal override BlockResiduals ResidualsOf(int block) => _blocks[block].Residuals;

    /// <summary>The convolution over samples.</summary>
    internal Convolution FirstConvolution => _features.First;

    /// <summary>The symbol between labels.</summary>
    internal int Blank => _config.Ctc.Blank;

    /// <summary>Frames of a recording of so many samples.</summary>
    internal int FramesOf(int samples) => _config.FramesOf(samples);

    internal override SampleSizes InputsOf(int length)
    {
        int samples = Math.Max(length, _config.SamplesFor(Math.Max(2, _config.Augment?.Time.Length ?? 0)));
        return new SampleSizes(0, Sound: [samples]) { Targets = Math.Max(1, FramesOf(samples) / 2), Symbols = _config.VocabularySize };
    }

    internal override string? OldName(string path) => WeightNormConvolution.OldNameOf(path);

    // The quantizer and the projections of pre-training, which recognition does not use.
    internal override bool IsOtherHead(string name) =>
        ((string[])["quantizer.", "project_q.", "project_hid."]).Any(start => name.StartsWith(start, StringComparison.Ordinal));

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        var sound = arrays.Sound is { Shape.Rank: 2 } waves ? waves
            : throw new BadInputException($"a {ModelType} model reads samples (input_values), (B, samples)");
        int samples = sound.Shape[1], places = FramesOf(samples);
        if (places == 0)
        {
            throw new BadInputException($"a recording of {samples} samples makes no frame; {ModelType} needs {_config.SamplesFor(1)}");
        }
        int[]? frames = arrays.SoundLengths is { } lengths ? Array.ConvertAll(lengths, FramesOf) : null;
        if (frames?.IndexOf(0) is >= 0 and var row)
        {
            throw new BadInputException($"row {row} of a batch has a recording of {arrays.SoundLengths![row]} samples, which makes no " +
                $"frame; {ModelType} needs {_config.SamplesFor(1)}");
        }
        var inputs = ModelInputs.OfFrames(Backend, arrays, places, frames);
        inputs.TokenMask(); // What the pass reads is uploaded before it, so that the pass can be captured.
        if (Mode.Training && _config.Augment is { } augment)
        {
            inputs.UploadMasks(augment.FrameMask(Mode, arrays.BatchSize, places, frames),
                augment.FeatureMask(Mode, arrays.BatchSize, HiddenSize));
        }
        return inputs;
    }

    /// <summary>Uploads transcripts: the labels of each row, negative for padding.</summary>
    public override Targets ToTargets(ReadOnlySpan<int> labels, int batchSize, float? denominator = null) =>
        Targets.Transcripts(Backend, labels, batchSize, _config.VocabularySize, denominator);

    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        (var x, inputs) = Embed(inputs);
        x = x + _positions.Forward(x);
        x = _config.NormFirst ? x : _norm.Forward(x);
        x = x.Dropout(LayerDropout.OfBase(Mode, _config.Dropout, -1, EmbeddingSite).Now);
        for (int i = 0; i < _blocks.Length; i++)
        {
            var block = _blocks[i];
            x = RunBlock(i, inputs, given => block.Forward(given[0]!, inputs), x);
        }
        return scope.Return(_config.NormFirst ? _norm.Forward(x) : x);
    }

    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var hidden = Hidden(inputs).Dropout(LayerDropout.OfBase(Mode, _config.FinalDropout, LayerCount, 0).Now);
        return scope.Return(_head.Forward(hidden));
    }

    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        if (!_config.Ctc.ZeroInfinity)
        {
            targets.CheckFit(inputs.FrameCounts);
        }
        var sum = Logits(inputs).Cast(DType.F32).Ctc(targets.Tokens, inputs.Frames, _config.Ctc);
        return scope.Return(WithPenalty(_config.Ctc.IsMean ? sum.ScaleBy(targets.InverseCount) : sum, targets));
    }

    /// <summary>Projected features with what SpecAugment masks, and zeros for padding.</summary>
    private protected override Tensor EmbedInputs(ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var x = _projection.Forward(_features.Forward(inputs.Dense.Sound!));
        if (inputs.MaskedFrames is { } masked)
        {
            var vector = _maskHolder!.OwnParameter(MaskVector)!.Value; // An adapter may have exchanged it.
            var vectors = masked.Reshape([(int)masked.Count, 1]).MatMul(vector.Cast(DType.F32).Reshape([1, HiddenSize]));
            x = x.MultiplyColumn(1 - masked) + vectors.Reshape(x.Shape).AsActivation();
        }
        if (inputs.KeptFeatures is { } features)
        {
            x = x * features.AsActivation();
        }
        return scope.Return(inputs.TokenMask() is { } mask ? x.MultiplyColumn(mask) : x);
    }
}
