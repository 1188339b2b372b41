using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>wav2vec 2.0's feature encoder: convolutions over samples, each with an activation and, before it, a layer norm over channels
/// (XLS-R), or in the first a group norm over time with one group a channel.</summary>
internal sealed class Wav2Vec2Features : Module
{
    // The norms of the feature encoder do not follow layer_norm_eps.
    private const float Epsilon = 1e-5f;

    private readonly FeatureLayer[] _layers;
    private readonly Func<Tensor, Tensor> _activation;

    public Wav2Vec2Features(Wav2Vec2Config c)
    {
        _activation = Activations.Apply(c.FeatureActivation);
        var layers = Add("conv_layers", new ModuleList());
        _layers = [.. c.Convolutions.Select((_, i) => layers.Append(new FeatureLayer(c, i)))];
    }

    /// <summary>The convolution over samples.</summary>
    public Convolution First => _layers[0].Convolution;

    /// <summary>(B, samples) to (B, frames, channels).</summary>
    public Tensor Forward(Tensor sound)
    {
        using var scope = new TensorScope(Name);
        var x = sound.AsActivation().Reshape([sound.Shape[0], sound.Shape[1], 1]);
        foreach (var layer in _layers)
        {
            x = _activation(layer.Forward(x));
        }
        return scope.Return(x);
    }

    private sealed class FeatureLayer : Module
    {
        private readonly Layer? _norm;

        public FeatureLayer(Wav2Vec2Config c, int index)
        {
            var (channels, kernel, stride) = c.Convolutions[index];
            int inputs = index == 0 ? 1 : c.Convolutions[index - 1].Channels;
            Convolution = Add("conv", new Convolution(ConvolutionSpec.Over1(kernel, stride), inputs, channels, c.ConvolutionBias));
            _norm = c.NormsEachConvolution ? Add("layer_norm", new LayerNorm(channels, Epsilon))
                : index == 0 ? Add("layer_norm", new GroupNorm(channels, channels, Epsilon)) : null;
        }

        public Convolution Convolution { get; }

        public Tensor Forward(Tensor x)
        {
            using var scope = new TensorScope("conv_layers." + Name);
            x = Convolution.Forward(x);
            return scope.Return(_norm?.Forward(x) ?? x);
        }
    }
}

/// <summary>dropout(projection(norm(features))): (B, T, channels) to (B, T, C).</summary>
internal sealed class Wav2Vec2Projection : Module
{
    private readonly Wav2Vec2Config _config;
    private readonly LayerNorm _norm;
    private readonly Linear _projection;

    public Wav2Vec2Projection(Wav2Vec2Config c)
    {
        _config = c;
        int channels = c.Convolutions[^1].Channels;
        _norm = Add("layer_norm", new LayerNorm(channels, c.Epsilon));
        _projection = Add("projection", new Linear(channels, c.HiddenSize, bias: true));
    }

    public Tensor Forward(Tensor features)
    {
        using var scope = new TensorScope(Name);
        var x = _projection.Forward(_norm.Forward(features));
        return scope.Return(x.Dropout(LayerDropout.OfBase(Mode, _config.FeatureDropout, -1, Wav2Vec2.FeatureSite).Now));
    }
}

/// <summary>Positions from a grouped convolution over the frames around each: f(conv(x)) with the last frame cut off where the kernel is
/// even.</summary>
internal sealed class Wav2Vec2Positions : Module
{
    private readonly WeightNormConvolution _conv;
    private readonly Func<Tensor, Tensor> _activation;

    public Wav2Vec2Positions(Wav2Vec2Config c)
    {
        _activation = Activations.Apply(c.FeatureActivation);
        int before = c.PositionKernel / 2, after = before - (1 - c.PositionKernel % 2);
        var spec = ConvolutionSpec.Over1(c.PositionKernel, groups: c.PositionGroups) with { PadLeft = before, PadRight = after };
        _conv = Add("conv", new WeightNormConvolution(spec, c.HiddenSize, c.HiddenSize));
    }

    public Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope(Name);
        return scope.Return(_activation(_conv.Forward(x)));
    }
}
