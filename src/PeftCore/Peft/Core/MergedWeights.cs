using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Weights with adapters merged in: W' = merge(W), computed in F32 whatever the dtype of W.</summary>
internal static class MergedWeights
{
    /// <summary>The merged weight of a module, and its bias if that changes: F32, in the current tensor scope.</summary>
    /// <param name="module">The module; its parameters are unchanged.</param>
    /// <param name="adapters">The adapters on the module, in the order of merging.</param>
    /// <param name="plain">The weight before earlier merges, for methods that scale the base's weight; null if there were no earlier
    /// merges.</param>
    public static List<(string Name, Tensor Value)> Of(Module module, IReadOnlyList<LayerAdapter> adapters, Parameter? plain)
    {
        var weight = module.OwnParameter("weight")!;
        var changed = ToF32(weight.Value);
        var merged = AsMatrix(module, changed);
        var mergedBias = module.OwnParameter("bias") is { } bias ? ToF32(bias.Value) : null;
        bool biasChanged = false;
        foreach (var adapter in adapters)
        {
            biasChanged |= adapter.Merge(merged, mergedBias, plain is null ? null : AsMatrix(module, ToF32(plain.Value)));
            plain ??= weight;
        }
        return biasChanged ? [("weight", changed), ("bias", mergedBias!)] : [("weight", changed)];
    }

    /// <summary>Throws if an adapter cannot be merged.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="safe">Also throw if a parameter that it swaps in is not finite.</param>
    /// <exception cref="BadInputException">The adapter cannot be merged.</exception>
    public static void RefuseIfUnmergeable(Adapter adapter, bool safe)
    {
        if (adapter.MergeProblem is { } whole)
        {
            throw new BadInputException($"adapter \"{adapter.Name}\" cannot be merged: {whole}");
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            if (layer.MergeProblem is { } problem)
            {
                throw new BadInputException($"adapter \"{adapter.Name}\" cannot be merged into \"{path}\": {problem}");
            }
        }
        if (safe && adapter.Swaps.Find(swap => !IsFinite(swap.Value.Value)) is { } broken)
        {
            throw NotFinite(adapter, broken.Parameter.Path);
        }
    }

    public static BadInputException NotFinite(Adapter adapter, string path) =>
        new($"adapter \"{adapter.Name}\" is not merged: the weight of \"{path}\" would hold NaN or infinity; the base is unchanged");

    public static bool IsFinite(Tensor value)
    {
        if (value.IsQuantized)
        {
            return value.HasFiniteScales();
        }
        if (value.DType == DType.F32)
        {
            return value.Backend.AllFinite(value);
        }
        foreach (var (_, chunk) in value.Chunks())
        {
            using var scope = new TensorScope();
            if (!value.Backend.AllFinite(ToF32(chunk)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The kernel of a convolution as a matrix; other weights as they are.</summary>
    private static Tensor AsMatrix(Module module, Tensor weight) => module is MatrixLayer ? MatrixLayer.MatrixOf(weight) : weight;

    private static Tensor ToF32(Tensor value)
    {
        var copy = value.NewLike(value.Shape, kind: MemoryKind.Workspace);
        value.Backend.Cast(value, copy);
        return copy;
    }
}
