using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The hook of a residual sum with adapters: computes the sum with the applied adapters, or with its own adapter for each row of a
/// mixed batch.</summary>
internal sealed class ResidualDispatcher(ActiveSet set) : ResidualHook
{
    /// <summary>The adapters' parts at this sum.</summary>
    public AdapterParts<ResidualAdapter> Parts { get; } = new(set);

    public override Tensor Add(Tensor stream, Tensor output)
    {
        if (set.Rows is { } rows)
        {
            return rows.Run((adapter, take) =>
            {
                Tensor x = take(stream), h = take(output);
                return Parts.Of(adapter)?.Add(x, h) ?? x + h;
            });
        }
        var applied = Parts.Applied;
        return applied.Length switch
        {
            0 => stream + output,
            1 => applied[0].Add(stream, output),
            _ => Several(applied, stream, output),
        };
    }

    /// <summary>Several adapters: x + h + Σᵢ (addᵢ(x, h) − (x + h)).</summary>
    private static Tensor Several(ResidualAdapter[] applied, Tensor stream, Tensor output)
    {
        using var scope = new TensorScope();
        var plain = stream + output;
        return scope.Return(applied.Aggregate(plain, (sum, adapter) => sum + (adapter.Add(stream, output) - plain)));
    }
}
