using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The UNet of latent diffusion (Rombach et al. 2022), diffusers' UNet2DConditionModel: predicts the noise in a picture from the
/// step of the noise schedule and the hidden states of a text. Resolutions halve on the way down and double on the way up, which reads what
/// the way down computed (Ronneberger et al. 2015). Inside, pictures are (batch, height, width, channels).</summary>
internal sealed class UNet : TransformerModel
{
    /// <summary>diffusers' name of the class, which config.json has as "_class_name".</summary>
    public const string ClassName = "UNet2DConditionModel";

    private const int TextLength = 77;

    private readonly UNetConfig _config;
    private readonly Convolution _in;
    private readonly TimeWaves _waves;
    private readonly TimeEmbedding _time;
    private readonly ClassEmbedding? _class;
    private readonly DownBlock[] _down;
    private readonly MidBlock? _mid;
    private readonly UpBlock[] _up;
    private readonly GroupNorm _norm;
    private readonly Convolution _out;

    /// <summary>Declares the model without weights; a loader or an initialiser sets them.</summary>
    public UNet(UNetConfig config)
    {
        _config = config;
        var levels = config.Levels;
        int first = levels[0].Channels, index = 0, last = levels.Count - 1;
        _in = Add("conv_in", new Convolution(ConvolutionSpec.Over2(config.Kernels.In, padding: config.Kernels.In / 2), config.InChannels,
            first));
        _waves = Add("time_proj", new TimeWaves(config));
        _time = Add("time_embedding", new TimeEmbedding(_waves.Columns, config.TimeChannels, config.Activation));
        _class = config.Classes is null ? null : ClassEmbedding.Of(config, _waves);
        if (_class?.Module is { } layers)
        {
            Add("class_embedding", layers);
        }
        var skips = new Stack<int>([first]);
        _down = [.. levels.Select((level, i) => AddPath($"down_blocks.{i}", Down(i)))];
        _mid = config.HasMidBlock ? Add("mid_block", new MidBlock(config, levels[last], index)) : null;
        index += 2;
        _up = [.. levels.Select((_, i) => AddPath($"up_blocks.{i}", Up(i)))];
        _norm = Add("conv_norm_out", new GroupNorm(config.Groups, first, config.Epsilon));
        _out = Add("conv_out", new Convolution(ConvolutionSpec.Over2(config.Kernels.Out, padding: config.Kernels.Out / 2), first,
            config.OutChannels));

        DownBlock Down(int i)
        {
            var block = new DownBlock(config, i == 0 ? first : levels[i - 1].Channels, levels[i], i < last, index);
            index += levels[i].Layers;
            for (int layer = 0; layer < levels[i].Layers + (i < last ? 1 : 0); layer++)
            {
                skips.Push(levels[i].Channels);
            }
            return block;
        }

        UpBlock Up(int i)
        {
            var level = levels[last - i] with { Attends = config.UpAttends[i] };
            int[] read = [.. Enumerable.Range(0, level.Layers + 1).Select(_ => skips.Pop())];
            var block = new UpBlock(config, levels[Math.Min(last, last - i + 1)].Channels, read, level, i < last, index);
            index += read.Length;
            return block;
        }
    }

    public override string ModelType => ClassName;

    public override ModelTask Task => ModelTask.NoisePrediction;

    public override int HiddenSize => _config.Levels[0].Channels;

    public override int LayerCount => _down.Length + 1 + _up.Length;

    public override int MaxLength => int.MaxValue;

    public override int HeadCount => _config.Levels[0].Heads;

    internal override bool ReadsTokens => false;

    internal override int BlockCount => 0;

    internal override Linear? OutputLayer => null;

    internal override bool TakesPrefix => false;

    /// <summary>The sizes.</summary>
    internal UNetConfig Config => _config;

    /// <summary>A picture of the size the model was trained on, and the hidden states of a text of CLIP's length.</summary>
    internal override SampleSizes InputsOf(int length) => new(Tokens: 0, [_config.InChannels, _config.SampleSize, _config.SampleSize])
    {
        EncoderStates = [TextLength, _config.CrossChannels],
        Classes = _config.Classes,
    };

    public override ModelInputs ToInputs(InputArrays arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        CheckPicture(arrays.Pixels ?? throw new BadInputException("a UNet reads a picture (sample), which the batch does not have"));
        int[] steps = arrays.Timesteps ?? throw new BadInputException("a UNet reads the step of the noise schedule (timestep) of each row");
        if (Array.Find(steps, step => step is < 0 or >= TimeWaves.Steps) is var step && step != 0)
        {
            throw new BadInputException($"timestep: {step} is no step of the noise schedule; expected 0 to {TimeWaves.Steps - 1}");
        }
        if (arrays.EncoderStates is not { } text || text.Shape[2] != _config.CrossChannels)
        {
            throw new BadInputException($"encoder_hidden_states: {(arrays.EncoderStates is { } other ? $"the shape is {other.Shape}" :
                "the batch has none")}; expected (batch, tokens, {_config.CrossChannels})");
        }
        ClassInput.Check(_config.Classes, arrays.Classes);
        bool numbers = _config.Classes is { IsNumber: true };
        var inputs = ModelInputs.WithoutPositions(Backend, numbers ? arrays with { Classes = null } : arrays);
        // What the pass reads is uploaded before it, so that the pass can be captured.
        if (numbers)
        {
            _class!.Numbers(inputs, arrays.Classes);
        }
        int positions = arrays.Pixels.Shape[2] * arrays.Pixels.Shape[3], last = _config.Levels.Count - 1;
        for (int i = 0; i <= last; i++, positions /= 4)
        {
            if (_config.Levels[i].Attends || _config.UpAttends[last - i] || i == last)
            {
                inputs.WholeRanges(positions, positions);
                inputs.WholeRanges(positions, text.Shape[1]);
            }
        }
        return inputs;
    }

    public override Tensor Hidden(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var dense = inputs.Dense;
        var activation = Activations.Apply(_config.Activation);
        var type = Backend.ActivationDType;
        var time = _time.Forward(_waves.Forward(dense.Timesteps!));
        time = activation(_class?.Forward(time, inputs) ?? time);
        var context = new UNetContext(time, dense.EncoderStates!.Cast(type), inputs, Recomputes(inputs));
        var picture = _config.CentersSample ? 2 * dense.Pixels! - 1 : dense.Pixels!;
        var x = _in.Forward(ChannelsLast(picture).Cast(type));
        var skips = new Stack<Tensor>([x]);
        foreach (var block in _down)
        {
            x = block.Forward(x, context, skips);
        }
        x = _mid?.Forward(x, context) ?? x;
        foreach (var block in _up)
        {
            x = block.Forward(x, context, skips);
        }
        return scope.Return(activation(_norm.Forward(x)));
    }

    /// <summary>The prediction, F32 (B, channels, height, width).</summary>
    public override Tensor Logits(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        return scope.Return(ChannelsFirst(_out.Forward(Hidden(inputs)).Cast(DType.F32)));
    }

    /// <summary>The mean of (prediction − target)² over all pixels.</summary>
    public override Tensor Loss(ModelInputs inputs, Targets targets)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(targets);
        using var pass = BeginPass();
        using var scope = new TensorScope();
        var values = targets.Values ?? throw new BadInputException("a UNet learns numbers, one per pixel, but the targets are labels");
        var prediction = Logits(inputs);
        int pixels = (int)(prediction.Count / prediction.Shape[0]);
        if (values.Shape.Columns != pixels)
        {
            throw new BadInputException($"the targets have {values.Shape.Columns} numbers a row, but the prediction has {pixels}");
        }
        var difference = prediction.Reshape(values.Shape) - values;
        var loss = (difference * difference).Sum().ScaleBy(targets.InverseCount) / pixels;
        return scope.Return(WithPenalty(loss, targets));
    }

    /// <inheritdoc/>
    public override IReadOnlyList<(string Name, Tensor Value)> Outputs(ModelInputs inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        return [("sample", Logits(inputs))];
    }

    /// <summary>(B, C, H, W) to (B, H, W, C).</summary>
    private static Tensor ChannelsLast(Tensor x)
    {
        var s = x.Shape;
        return x.Reshape([s[0], s[1], s[2] * s[3]]).Transpose().Reshape([s[0], s[2], s[3], s[1]]);
    }

    /// <summary>(B, H, W, C) to (B, C, H, W).</summary>
    private static Tensor ChannelsFirst(Tensor x)
    {
        var s = x.Shape;
        return x.Reshape([s[0], s[1] * s[2], s[3]]).Transpose().Reshape([s[0], s[3], s[1], s[2]]);
    }

    private void CheckPicture(DenseArray picture)
    {
        int factor = 1 << (_config.Levels.Count - 1);
        if (picture.Shape[1] != _config.InChannels)
        {
            throw new BadInputException($"sample: the picture has {picture.Shape[1]} channels, but this UNet reads {_config.InChannels}");
        }
        if (picture.Shape[2] % factor != 0 || picture.Shape[3] % factor != 0)
        {
            throw new BadInputException(
                $"sample: {picture.Shape[2]} × {picture.Shape[3]} cannot be halved {_config.Levels.Count - 1} times; " +
                $"use multiples of {factor}");
        }
    }
}
