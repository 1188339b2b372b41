using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Whisper (Radford et al. 2022): an encoder reads the log-mel spectrogram of 30 seconds through two convolutions, and a decoder
/// writes what is said. The blocks are BART's with norms before the sublayers, and without a bias of keys.</summary>
internal sealed class Whisper : Seq2SeqModel
{
    private const string EncoderPositions = "encoder.embed_positions.weight";

    private readonly WhisperConfig _config;
    private readonly WhisperEncoder _encoder;
    private readonly WhisperDecoder _decoder;

    /// <summary>Declares the model without weights.</summary>
    public Whisper(WhisperConfig config) : base(new TaskSpec(ModelTask.SpeechToText, []))
    {
        _config = config;
        _encoder = AddPath(BasePrefix + "encoder", new WhisperEncoder(config));
        _decoder = AddPath(BasePrefix + "decoder", new WhisperDecoder(config.Stacks));
        AddHead(config.Stacks.TieEmbeddings, Seq2SeqHeadFields.None);
    }

    public override string ModelType => "whisper";

    public override int HiddenSize => _config.Stacks.HiddenSize;

    public override int LayerCount => _config.Stacks.Encoder.Layers;

    public override int DecoderLayerCount => _config.Stacks.Decoder.Layers;

    public override int MaxLength => _config.Stacks.MaxLength;

    private protected override int MaxSourceLength => _config.SourcePositions;

    public override int HeadCount => _config.Stacks.Decoder.Heads;

    internal override string BasePrefix => "model.";

    public override Embedding TokenEmbedding => _decoder.Tokens;

    private protected override string VocabularyHeadName => "proj_out";

    internal override string HeadTable => "proj_out.weight";

    public override int DecoderStartToken => _config.Stacks.StartToken;

    public override int PadToken => _config.Stacks.PadToken;

    // The frames of a window fill all positions of the encoder.
    internal override bool TakesPrompts => false;

    internal override IReadOnlyList<Module> FinalNorms => [_encoder.FinalNorm, _decoder.FinalNorm];

    internal override BlockResiduals ResidualsOf(int block) =>
        (block < LayerCount ? _encoder.Blocks[block] : _decoder.Blocks[block - LayerCount]).Residuals;

    internal override SampleSizes InputsOf(int length) => new(0, Sound: [_config.MelBins, _config.Frames]);

    // The encoder's sines and cosines are not trained.
    internal override bool IsBuffer(string name) => name.EndsWith(EncoderPositions, StringComparison.Ordinal);

    internal override IEnumerable<(string Name, Tensor Value)> Buffers =>
        _encoder.Positions.Stored is { } stored ? [(BasePrefix + EncoderPositions, stored)] : [];

    internal override void ReadBuffer(WeightEntry entry, Backend backend) => _encoder.Positions.Read(entry, backend);

    internal override ModelInputs ToSource(InputArrays arrays)
    {
        if (arrays.Sound is not { Shape.Rank: 3 } sound || sound.Shape[1] != _config.MelBins || sound.Shape[2] != _config.Frames)
        {
            throw new BadInputException($"a {ModelType} model reads spectrograms (input_features) of {_config.MelBins} bins and " +
                $"{_config.Frames} frames{(arrays.Sound is { } other ? $", but the batch has the shape {other.Shape}" : "")}");
        }
        var frames = Channels(sound);
        return ModelInputs.OfFrames(Backend, arrays with { Ids = [], Sound = frames }, _config.SourcePositions, frames: null);
    }

    /// <summary>(B, bins, frames) to (B, frames, bins), with what SpecAugment masks set to zero.</summary>
    private DenseArray Channels(DenseArray sound)
    {
        var (batch, bins, frames) = (sound.Shape[0], sound.Shape[1], sound.Shape[2]);
        var augment = Mode.Training ? _config.Augment : null;
        bool[]? maskedFrames = augment?.FrameMask(Mode, batch, frames, null), maskedBins = augment?.FeatureMask(Mode, batch, bins);
        float[] values = new float[sound.Values.Length];
        Parallel.For(0, batch, row =>
        {
            var from = sound.Values.AsSpan(row * bins * frames, bins * frames);
            var to = values.AsSpan(row * bins * frames, bins * frames);
            for (int bin = 0; bin < bins; bin++)
            {
                if (maskedBins?[row * bins + bin] ?? false)
                {
                    continue;
                }
                var of = from.Slice(bin * frames, frames);
                for (int frame = 0, at = bin; frame < frames; frame++, at += bins)
                {
                    to[at] = of[frame];
                }
            }
            for (int frame = 0; frame < frames && maskedFrames is not null; frame++)
            {
                if (maskedFrames[row * frames + frame])
                {
                    to.Slice(frame * bins, bins).Clear();
                }
            }
        });
        return new DenseArray(values, [batch, frames, bins]);
    }

    private protected override Tensor EmbedInputs(ModelInputs inputs) => _encoder.Convolve(inputs.Dense.Sound!);

    private protected override Tensor EmbedSource(Tensor embedded, ModelInputs inputs) =>
        Dropped(embedded + _encoder.Positions.Rows(inputs.Positions).AsActivation(), ModelSite.SourceEmbedding);

    private protected override Tensor EmbedTarget(Tensor embedded, ModelInputs inputs) =>
        Dropped(embedded + _decoder.Positions.Forward(inputs.Positions), ModelSite.TargetEmbedding);

    private protected override Tensor EncoderBlock(int index, Tensor x, Tensor? bias, ModelInputs inputs) =>
        _encoder.Blocks[index].Forward(x, null, inputs);

    private protected override Tensor DecoderBlock(int index, Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs) =>
        _decoder.Blocks[index].Forward(x, states, inputs);

    private protected override Tensor FinishEncoder(Tensor x) => _encoder.FinalNorm.Forward(x);

    private protected override Tensor FinishDecoder(Tensor x) => _decoder.FinalNorm.Forward(x);

    internal override StackAttention CrossAttentionOf(int block) => _decoder.Blocks[block].CrossAttention!;

    private Tensor Dropped(Tensor x, ModelSite site) => x.Dropout(DropoutSites.OfModel(_config.Stacks.Dropout, site).Now(Mode));

    private sealed class WhisperEncoder : Module
    {
        private static readonly Func<Tensor, Tensor> Gelu = Activations.Apply("gelu");

        private readonly Convolution _first;
        private readonly Convolution _second;

        public WhisperEncoder(WhisperConfig c)
        {
            int hidden = c.Stacks.HiddenSize;
            _first = Add("conv1", new Convolution(ConvolutionSpec.Over1(3, padding: 1), c.MelBins, hidden));
            _second = Add("conv2", new Convolution(ConvolutionSpec.Over1(3, stride: 2, padding: 1), hidden, hidden));
            Positions = new SinusoidalTable(c.SourcePositions, hidden, hidden / 2 - 1);
            var layers = Add("layers", new ModuleList());
            Blocks = [.. Enumerable.Range(0, c.Stacks.Encoder.Layers)
                .Select(i => layers.Append(new BartBlock(c.Stacks, c.Stacks.Encoder, i, decoderSites: null)))];
            FinalNorm = Add("layer_norm", new LayerNorm(hidden, BartConfig.Epsilon));
        }

        public SinusoidalTable Positions { get; }

        public BartBlock[] Blocks { get; }

        public LayerNorm FinalNorm { get; }

        /// <summary>gelu(conv2(gelu(conv1(x)))): (B, frames, bins) to (B, frames/2, C).</summary>
        public Tensor Convolve(Tensor x)
        {
            using var scope = new TensorScope();
            return scope.Return(Gelu(_second.Forward(Gelu(_first.Forward(x.AsActivation())))));
        }

        private protected override void OnDispose() => Positions.Dispose();
    }

    private sealed class WhisperDecoder : Module
    {
        public WhisperDecoder(BartConfig c)
        {
            Tokens = Add("embed_tokens", new Embedding(c.VocabularySize, c.HiddenSize, c.PadToken));
            Positions = Add("embed_positions", new Embedding(c.MaxLength, c.HiddenSize));
            var layers = Add("layers", new ModuleList());
            var sites = new DropoutSites(c.Encoder.Layers);
            Blocks = [.. Enumerable.Range(0, c.Decoder.Layers).Select(i => layers.Append(new BartBlock(c, c.Decoder, i, sites)))];
            FinalNorm = Add("layer_norm", new LayerNorm(c.HiddenSize, BartConfig.Epsilon));
        }

        public Embedding Tokens { get; }

        public Embedding Positions { get; }

        public BartBlock[] Blocks { get; }

        public LayerNorm FinalNorm { get; }
    }
}
