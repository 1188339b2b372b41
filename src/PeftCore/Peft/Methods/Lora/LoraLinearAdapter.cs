using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on one linear layer: y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ. An initialisation that takes directions out of W (PiSSA, OLoRA) leaves W
/// as it is and subtracts the same product of the initial A and B, its anchor, which costs two small factors instead of a second
/// W.</summary>
internal sealed class LoraLinearAdapter : LayerAdapter
{
    private readonly Linear _layer;
    private readonly Parameter _a;
    private readonly Parameter _b;
    private readonly Parameter? _bias;
    private readonly Dora? _dora;
    private readonly LowRankAnchor? _anchor;
    private readonly float _scale;
    private readonly LayerDropout _dropout;

    public LoraLinearAdapter(Linear layer, LoraFactors factors, float scale, float dropout, ulong site)
    {
        (_layer, _a, _b, _bias, _anchor) = (layer, factors.A, factors.B, factors.Bias, factors.Anchor);
        (_scale, _dropout) = (scale, new LayerDropout(layer, dropout, site));
        _dora = factors.Magnitude is null ? null : new Dora(layer, factors.Magnitude);
    }

    public bool UsesDora => _dora is not null;

    public Parameter A => _a;

    public Parameter B => _b;

    public Parameter? BranchBias => _bias;

    public LowRankAnchor? Anchor => _anchor;

    public Dora? Magnitude => _dora;

    public float Scale => _scale;

    public override IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            yield return new("", "lora_A.{0}.weight", "lora_A.weight", _a);
            yield return new("", "lora_B.{0}.weight", "lora_B.weight", _b);
            if (_bias is not null)
            {
                yield return new("", "lora_B.{0}.bias", "lora_B.bias", _bias);
            }
            if (_dora is not null)
            {
                yield return new("", "lora_magnitude_vector.{0}.weight", "lora_magnitude_vector", _dora.Magnitude);
            }
        }
    }

    public override string? MergeProblem => _bias is not null && _layer.Bias is null
        ? "its B has a bias, and the layer has none to merge it into"
        : null;

    public override void Free()
    {
        _anchor?.Free();
        _dora?.Free();
    }

    public override Tensor Forward(Tensor x) => _dora is null
        ? x.LoraLinear(_layer.Weight.Value, _layer.Bias?.Value, _layer.Transposed, Branches(_dropout.Now))
        : _dora.Forward(x, Branches(default), _dropout.Now);

    public override IEnumerable<LowRankUpdate>? LowRankUpdates() => _dora is null ? Branches(_dropout.Now) : null;

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        if (_dora is not null)
        {
            return scope.Return(y + (Forward(x) - _layer.Compute(x)));
        }
        foreach (var branch in Branches(_dropout.Now))
        {
            y += LowRankAdapter.Apply(x, branch);
        }
        return scope.Return(y);
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        if (_dora is null)
        {
            AddDelta(weight);
        }
        else
        {
            _dora.Merge(weight, plain, AddDelta);
        }
        if (_bias is null)
        {
            return false;
        }
        _bias.Value.Backend.Scale(_bias.Value, _scale, bias!, accumulate: true);
        return true;
    }

    /// <summary>weight += ΔW, in the layer's own layout.</summary>
    private void AddDelta(Tensor weight)
    {
        foreach (var branch in Branches(default))
        {
            if (_layer.Transposed)
            {
                weight.Backend.MatMul(branch.A, true, branch.B, true, weight, branch.Scale, accumulate: true);
            }
            else
            {
                weight.Backend.MatMul(branch.B, false, branch.A, false, weight, branch.Scale, accumulate: true);
            }
        }
    }

    /// <summary>The update, and what the initialisation took out of the base.</summary>
    public LowRankUpdate[] Branches(DropoutKey drop)
    {
        var branch = new LowRankUpdate(_a.Value, _b.Value, _scale, _bias?.Value, drop);
        return _anchor is null ? [branch] : [branch, new LowRankUpdate(_anchor.A, _anchor.B, -_scale)];
    }
}

/// <summary>The trained tensors of one layer's LoRA.</summary>
internal sealed record LoraFactors(Parameter A, Parameter B, Parameter? Bias, Parameter? Magnitude, LowRankAnchor? Anchor);

/// <summary>The product s·B·A that an initialisation takes out of the base weight: A (r, in) and B (out, r), both frozen.</summary>
internal sealed record LowRankAnchor(Tensor A, Tensor B)
{
    public void Free()
    {
        A.Dispose();
        B.Dispose();
    }
}
