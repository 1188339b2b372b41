using PeftCore.Autograd;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>What the blocks of a UNet read beside the picture.</summary>
/// <param name="Time">σ of the time embedding, (B, T).</param>
/// <param name="Text">(B, tokens, C'): hidden states of the text; null if no block attends to one.</param>
/// <param name="Inputs">The batch.</param>
/// <param name="Recomputes">Whether backward recomputes each residual block and transformer from its input.</param>
internal sealed record UNetContext(Tensor Time, Tensor? Text, ModelInputs Inputs, bool Recomputes);

/// <summary>Residual blocks of one resolution, each followed by a transformer if the block attends to the text.</summary>
internal abstract class UNetBlock : Module
{
    private readonly List<ResidualBlock> _residuals = [];
    private readonly List<PictureTransformer> _transformers = [];

    /// <summary>The residual blocks.</summary>
    protected IReadOnlyList<ResidualBlock> Residuals => _residuals;

    /// <summary>The transformers; none if the block does not attend.</summary>
    protected IReadOnlyList<PictureTransformer> Transformers => _transformers;

    /// <summary>Adds a residual block.</summary>
    protected void AddResidual(UNetConfig config, int channels, int outputs, int index) => _residuals.Add(
        AddPath($"resnets.{_residuals.Count}", new ResidualBlock(config, channels, outputs, index)));

    /// <summary>Adds a transformer.</summary>
    protected void AddTransformer(UNetConfig config, UNetLevel level) => _transformers.Add(
        AddPath($"attentions.{_transformers.Count}", new PictureTransformer(config, level)));

    /// <summary>Runs a residual block on a picture, and with <paramref name="skip"/> on both side by side.</summary>
    protected static Tensor Run(ResidualBlock block, Tensor x, Tensor? skip, UNetContext context)
    {
        return context.Recomputes ? Recompute.Run(inputs => Body(inputs[0]!, inputs[1], inputs[2]!), x, skip, context.Time)
            : Body(x, skip, context.Time);

        Tensor Body(Tensor x, Tensor? skip, Tensor time) => block.Forward(skip is null ? x : x.ConcatColumns(skip), time);
    }

    /// <summary>Runs a transformer.</summary>
    protected static Tensor Run(PictureTransformer transformer, Tensor x, UNetContext context) => context.Recomputes
        ? Recompute.Run(inputs => transformer.Forward(inputs[0]!, inputs[1]!, context.Inputs), x, context.Text)
        : transformer.Forward(x, context.Text!, context.Inputs);
}

/// <summary>A block of the way down: its outputs, and that of the downsampling, are skip connections of the way up.</summary>
internal sealed class DownBlock : UNetBlock
{
    private readonly Convolution? _downsample;

    /// <summary>Declares the block.</summary>
    /// <param name="config">The model's sizes.</param>
    /// <param name="channels">Channels of x.</param>
    /// <param name="level">The block's sizes.</param>
    /// <param name="downsamples">Whether height and width are halved at the end.</param>
    /// <param name="index">Number of its first residual block.</param>
    public DownBlock(UNetConfig config, int channels, UNetLevel level, bool downsamples, int index)
    {
        for (int i = 0; i < level.Layers; i++)
        {
            AddResidual(config, i == 0 ? channels : level.Channels, level.Channels, index + i);
            if (level.Attends)
            {
                AddTransformer(config, level);
            }
        }
        if (downsamples)
        {
            var spec = ConvolutionSpec.Over2(3, stride: 2, padding: config.DownsamplePadding);
            spec = config.DownsamplePadding == 0 ? spec with { PadBottom = 1, PadRight = 1 } : spec;
            _downsample = AddPath("downsamplers.0.conv", new Convolution(spec, level.Channels, level.Channels));
        }
    }

    /// <summary>Runs the block.</summary>
    /// <param name="x">(B, H, W, C)</param>
    /// <param name="context">Time and text.</param>
    /// <param name="skips">Receives the outputs.</param>
    public Tensor Forward(Tensor x, UNetContext context, Stack<Tensor> skips)
    {
        for (int i = 0; i < Residuals.Count; i++)
        {
            x = Run(Residuals[i], x, null, context);
            x = Transformers.Count > 0 ? Run(Transformers[i], x, context) : x;
            skips.Push(x);
        }
        if (_downsample is not null)
        {
            x = _downsample.Forward(x);
            skips.Push(x);
        }
        return x;
    }
}

/// <summary>The block of the smallest resolution: residual, transformer, residual.</summary>
internal sealed class MidBlock : UNetBlock
{
    /// <summary>Declares the block.</summary>
    public MidBlock(UNetConfig config, UNetLevel level, int index)
    {
        AddTransformer(config, level);
        AddResidual(config, level.Channels, level.Channels, index);
        AddResidual(config, level.Channels, level.Channels, index + 1);
    }

    /// <summary>Runs the block.</summary>
    public Tensor Forward(Tensor x, UNetContext context)
    {
        x = Run(Residuals[0], x, null, context);
        x = Run(Transformers[0], x, context);
        return Run(Residuals[1], x, null, context);
    }
}

/// <summary>A block of the way up: each residual block reads the picture and a skip connection side by side.</summary>
internal sealed class UpBlock : UNetBlock
{
    private readonly Convolution? _upsample;

    /// <summary>Declares the block.</summary>
    /// <param name="config">The model's sizes.</param>
    /// <param name="channels">Channels of x.</param>
    /// <param name="skips">Channels of the skip connections, in the order they are read.</param>
    /// <param name="level">The block's sizes; its <see cref="UNetLevel.Attends"/> is that of the way up.</param>
    /// <param name="upsamples">Whether height and width are doubled at the end.</param>
    /// <param name="index">Number of its first residual block.</param>
    public UpBlock(UNetConfig config, int channels, IReadOnlyList<int> skips, UNetLevel level, bool upsamples, int index)
    {
        for (int i = 0; i < skips.Count; i++)
        {
            AddResidual(config, (i == 0 ? channels : level.Channels) + skips[i], level.Channels, index + i);
            if (level.Attends)
            {
                AddTransformer(config, level);
            }
        }
        if (upsamples)
        {
            var spec = ConvolutionSpec.Over2(3, padding: 1) with { Upsampling = 2 };
            _upsample = AddPath("upsamplers.0.conv", new Convolution(spec, level.Channels, level.Channels));
        }
    }

    /// <summary>Runs the block.</summary>
    /// <param name="x">(B, H, W, C)</param>
    /// <param name="context">Time and text.</param>
    /// <param name="skips">The skip connections, from which the block takes its own.</param>
    public Tensor Forward(Tensor x, UNetContext context, Stack<Tensor> skips)
    {
        for (int i = 0; i < Residuals.Count; i++)
        {
            x = Run(Residuals[i], x, skips.Pop(), context);
            x = Transformers.Count > 0 ? Run(Transformers[i], x, context) : x;
        }
        return _upsample?.Forward(x) ?? x;
    }
}
