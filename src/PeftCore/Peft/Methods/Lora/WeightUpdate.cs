using System.Numerics.Tensors;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;

namespace PeftCore.Peft.Lora;

/// <summary>The change of one layer's weight by the active adapters: the sum of what each adds or, of a weight that is trained whole,
/// its difference from the base's.</summary>
internal static class WeightUpdate
{
    /// <inheritdoc cref="PeftModel.WeightUpdate"/>
    public static (double[] Delta, double[] SingularValues)? Of(ActiveSet set, string path, MatrixLayer layer)
    {
        double[]? sum = null;
        foreach (var adapter in set.Active)
        {
            foreach (var part in adapter.Layers.Where(part => part.Path == path))
            {
                Add(ref sum, set.OnPlainBase(() => LoraConversion.Delta(path, part.Layer, layer)));
            }
            if (adapter.Swaps.Find(swap => swap.Replaces(layer, "weight")) is { } swap)
            {
                Add(ref sum, Difference(swap.Value, set.OnPlainBase(() => layer.Weight), layer));
            }
        }
        return sum is null ? null : (sum, SingularValues(sum, layer.Outputs, layer.Inputs));
    }

    private static double[] Difference(Parameter trained, Parameter original, MatrixLayer layer)
    {
        double[] difference = trained.Value.ToDoubles();
        TensorPrimitives.Subtract(difference, original.Value.ToDoubles(), difference);
        return layer.Transposed ? Dense.Transpose(difference, layer.Inputs, layer.Outputs) : difference;
    }

    private static void Add(ref double[]? sum, double[] part)
    {
        if (sum is null)
        {
            sum = part;
            return;
        }
        TensorPrimitives.Add(sum, part, sum);
    }

    private static double[] SingularValues(double[] delta, int rows, int columns)
    {
        if (!delta.AsSpan().ContainsAnyExcept(0.0))
        {
            return new double[Math.Min(rows, columns)];
        }
        double[] values = Factorization.TruncatedSvd(delta, rows, columns, Math.Min(rows, columns)).S;
        // Those that are rounding errors have no order.
        Array.Sort(values, (one, other) => other.CompareTo(one));
        return values;
    }
}
