using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A residual block with a time embedding (Ho et al. 2020): h = conv₁(σ(norm₁(x))) + W·t, y = x' + conv₂(dropout(σ(norm₂(h)))),
/// with a 1 × 1 convolution x' of x where the channels change.</summary>
internal sealed class ResidualBlock : Module
{
    private readonly Func<Tensor, Tensor> _activation;
    private readonly float _dropout;
    private readonly int _index;
    private readonly GroupNorm _norm1;
    private readonly Convolution _conv1;
    private readonly Linear _time;
    private readonly GroupNorm _norm2;
    private readonly Convolution _conv2;
    private readonly Convolution? _shortcut;

    /// <summary>Declares the block.</summary>
    /// <param name="config">Groups, ε, activation, dropout.</param>
    /// <param name="channels">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="index">Number of the block in the model, for its dropout.</param>
    public ResidualBlock(UNetConfig config, int channels, int outputs, int index)
    {
        (_activation, _dropout, _index) = (Activations.Apply(config.Activation), config.Dropout, index);
        _norm1 = Add("norm1", new GroupNorm(config.Groups, channels, config.Epsilon));
        _conv1 = Add("conv1", new Convolution(ConvolutionSpec.Over2(3, padding: 1), channels, outputs));
        _time = Add("time_emb_proj", new Linear(config.BlockTimeChannels, outputs, bias: true));
        _norm2 = Add("norm2", new GroupNorm(config.Groups, outputs, config.Epsilon));
        _conv2 = Add("conv2", new Convolution(ConvolutionSpec.Over2(3, padding: 1), outputs, outputs));
        _shortcut = channels == outputs ? null : Add("conv_shortcut", new Convolution(ConvolutionSpec.Over2(1), channels, outputs));
    }

    /// <summary>Runs the block.</summary>
    /// <param name="x">(B, H, W, C)</param>
    /// <param name="time">σ of the time embedding, (B, T).</param>
    /// <returns>(B, H, W, outputs)</returns>
    public Tensor Forward(Tensor x, Tensor time)
    {
        using var scope = new TensorScope(Name);
        var h = _conv1.Forward(_activation(_norm1.Forward(x))).AddToEach(_time.Forward(time));
        h = _activation(_norm2.Forward(h)).Dropout(LayerDropout.OfBase(Mode, _dropout, _index, site: 0).Now);
        return scope.Return((_shortcut?.Forward(x) ?? x) + _conv2.Forward(h));
    }
}
