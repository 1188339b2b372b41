using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>A block: a token mixer and an MLP, each with its norms, added to the residual stream.</summary>
internal sealed class DecoderBlock : Module
{
    private const int AttentionSite = 0, MlpSite = 1;

    private readonly DecoderSpec _spec;
    private readonly int _index;
    private readonly string _scopeName;
    private readonly TokenMixer _mixer;
    private readonly Layer _mlp;
    private readonly Layer? _beforeMixer;
    private readonly Layer? _beforeMlp;
    private readonly Layer? _afterMixer;
    private readonly Layer? _afterMlp;

    /// <summary>Declares block <paramref name="index"/>.</summary>
    public DecoderBlock(DecoderSpec spec, int index, DecoderPositions positions)
    {
        (_spec, _index, _scopeName) = (spec, index, $"{spec.Names.Layers}.{index}");
        Residuals = new BlockResiduals(this, new ResidualAdd(), new ResidualAdd());
        var (mixerName, mixer) = spec.MixerFactory?.Invoke(spec, index, positions)
            ?? (spec.Names.Attention, new SelfAttention(spec, index, positions));
        _mixer = AddPath(mixerName, mixer);
        _mlp = Feedforward(spec.MlpFactory?.Invoke(spec, index) ?? spec.Mlp switch
        {
            MlpKind.Gated => new GatedMlp(spec),
            MlpKind.FusedGated => new FusedGatedMlp(spec),
            _ => new PlainMlp(spec),
        });
        var norms = spec.Names.Norms;
        _beforeMixer = Norm(norms.BeforeAttention);
        _beforeMlp = Norm(norms.BeforeMlp);
        _afterMixer = Norm(norms.AfterAttention);
        _afterMlp = Norm(norms.AfterMlp);

        Layer? Norm(string? name) => name is null ? null : Add(name, spec.Norm.Create(spec.HiddenSize, spec.Epsilon));
    }

    /// <summary>The residual additions.</summary>
    public BlockResiduals Residuals { get; }

    /// <summary>Runs the block: (B, T, C) to (B, T, C).</summary>
    public Tensor Forward(Tensor x, ModelInputs inputs)
    {
        using var scope = new TensorScope(_scopeName);
        var n = Apply(_beforeMixer, x);
        var h = Output(_mixer.Forward(n, inputs), _spec.AttentionDropout, AttentionSite);
        if (_spec.Order == BlockOrder.Parallel)
        {
            var m = Output(_mlp.Forward(_beforeMlp is null ? n : _beforeMlp.Forward(x)), _spec.MlpDropout, MlpSite);
            return scope.Return(Residuals.FeedForward.Add(Residuals.Attention.Add(x, h), m));
        }
        if (_spec.Order == BlockOrder.NormOfSum)
        {
            x = Apply(_afterMixer, Residuals.Attention.Add(x, h));
            h = Output(_mlp.Forward(x), _spec.MlpDropout, MlpSite);
            return scope.Return(Apply(_afterMlp, Residuals.FeedForward.Add(x, h)));
        }
        x = Residuals.Attention.Add(_spec.ResidualAfterNorm ? n : x, Apply(_afterMixer, h));
        n = Apply(_beforeMlp, x);
        h = Apply(_afterMlp, Output(_mlp.Forward(n), _spec.MlpDropout, MlpSite));
        return scope.Return(Residuals.FeedForward.Add(_spec.ResidualAfterNorm ? n : x, h));
    }

    /// <summary>A sublayer's output with dropout and the factor of the residual stream.</summary>
    private Tensor Output(Tensor h, float dropout, int site)
    {
        h = h.Dropout(LayerDropout.OfBase(Mode, dropout, _index, site).Now);
        return _spec.ResidualMultiplier == 1 ? h : h * _spec.ResidualMultiplier;
    }

    private static Tensor Apply(Layer? norm, Tensor x) => norm is null ? x : norm.Forward(x);

    /// <summary>Adds the MLP, or its layers, if they are children of the block.</summary>
    private Layer Feedforward(Layer mlp)
    {
        if (_spec.Names.Mlp.Length > 0)
        {
            return AddPath(_spec.Names.Mlp, mlp);
        }
        foreach (var (name, layer) in mlp.Children)
        {
            Add(name, layer);
        }
        return mlp;
    }
}
