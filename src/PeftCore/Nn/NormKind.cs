using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>The kind of a model's norms.</summary>
internal enum NormKind
{
    /// <summary>RMS norm with scale w.</summary>
    Rms,

    /// <summary>RMS norm with scale 1 + w (Gemma).</summary>
    RmsPlusOne,

    /// <summary>Layer norm with scale and shift.</summary>
    Layer,

    /// <summary>Layer norm with scale only (Cohere).</summary>
    LayerWithoutBias,

    /// <summary>Layer norm without parameters (OLMo).</summary>
    LayerNonParametric,
}

/// <summary>Makes norms by their kind.</summary>
internal static class NormFactory
{
    /// <summary>A norm over <paramref name="columns"/> columns.</summary>
    public static Layer Create(this NormKind kind, int columns, float epsilon) => kind switch
    {
        NormKind.Rms => new RmsNorm(columns, epsilon),
        NormKind.RmsPlusOne => new RmsNorm(columns, epsilon, weightOffset: 1),
        NormKind.Layer => new LayerNorm(columns, epsilon),
        NormKind.LayerWithoutBias => new LayerNorm(columns, epsilon, bias: false),
        _ => new NonParametricNorm(epsilon),
    };
}

/// <summary>y = (x − mean)/√(var + ε), without parameters (Groeneveld et al. 2024, OLMo).</summary>
internal sealed class NonParametricNorm(float epsilon) : Layer
{
    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => Normalize(x, epsilon);

    /// <summary>Normalises the innermost axis.</summary>
    public static Tensor Normalize(Tensor x, float epsilon)
    {
        using var scope = new TensorScope();
        var one = x.Backend.NewTensor([x.Shape.Columns]);
        x.Backend.Fill(one, 1);
        return scope.Return(x.LayerNorm(one, null, epsilon));
    }
}

/// <summary>Layer norm of each head alone, with a scale of its own for each, (heads, head dim) (Cohere).</summary>
internal sealed class HeadNorm : Layer
{
    private readonly float _epsilon;

    /// <summary>Declares the layer.</summary>
    public HeadNorm(int heads, int headDim, float epsilon)
    {
        _epsilon = epsilon;
        Add("weight", new Parameter([heads, headDim]));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => Compute(x, OwnParameter("weight")!.Value, _epsilon);

    /// <summary>Normalises (…, heads·head dim) head by head and multiplies by the weight.</summary>
    /// <param name="x">(…, heads·head dim)</param>
    /// <param name="weight">(heads, head dim)</param>
    /// <param name="epsilon">ε</param>
    public static Tensor Compute(Tensor x, Tensor weight, float epsilon)
    {
        using var scope = new TensorScope();
        int headDim = weight.Shape.Columns;
        var normalized = NonParametricNorm.Normalize(x.Reshape([(int)(x.Count / headDim), headDim]), epsilon).Reshape(x.Shape);
        return scope.Return(normalized.MultiplyRow(weight.Cast(DType.F32).Reshape([x.Shape.Columns])));
    }
}

/// <summary><see cref="HeadNorm"/> with the scale of each head in a module of its own, "norms.0" and so on (StableLM 2).</summary>
internal sealed class HeadNormList : Layer
{
    private readonly float _epsilon;
    private readonly LayerNorm[] _norms;

    /// <summary>Declares the layer.</summary>
    public HeadNormList(int heads, int headDim, float epsilon)
    {
        _epsilon = epsilon;
        var norms = Add("norms", new ModuleList());
        _norms = [.. Enumerable.Range(0, heads).Select(_ => norms.Append(new LayerNorm(headDim, epsilon, bias: false)))];
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x)
    {
        using var scope = new TensorScope();
        var weight = Tensor.Concat([.. _norms.Select(norm => norm.Weight.Value.Cast(DType.F32))]); // (heads·head dim)
        return scope.Return(HeadNorm.Compute(x, weight.Reshape([_norms.Length, weight.Shape[0] / _norms.Length]), _epsilon));
    }
}
