using System.Numerics.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>Task arithmetic (Ilharco et al. 2022): combines arrays by their weights, as sums, pruned sums (DARE) or means of the elements
/// with the elected sign (TIES).</summary>
/// <param name="type">The combination.</param>
/// <param name="density">Fraction of the elements that pruning keeps.</param>
/// <param name="majority">How TIES elects signs.</param>
/// <param name="random">Draws the elements that DARE drops.</param>
internal sealed class TaskArithmetic(CombinationType type, double density, MajoritySign majority, Random random)
{
    public double[] Combine(IReadOnlyList<double[]> tensors, IReadOnlyList<double> weights)
    {
        double[][] pruned = [.. tensors.Select(Prune)];
        return type is CombinationType.Ties or CombinationType.TiesSvd or CombinationType.DareTies or CombinationType.DareTiesSvd
            ? Agreeing(pruned, weights)
            : Sum(pruned, weights);
    }

    private double[] Prune(double[] tensor) => type switch
    {
        _ when density >= 1 || !type.Prunes => tensor,
        CombinationType.DareLinear or CombinationType.DareLinearSvd or CombinationType.DareTies or CombinationType.DareTiesSvd =>
            [.. tensor.Select(x => random.NextDouble() < density ? x / density : 0)],
        _ => Largest(tensor, (int)(density * tensor.Length)),
    };

    /// <summary>Keeps the elements of largest magnitude, and the first of equal ones.</summary>
    private static double[] Largest(double[] tensor, int count)
    {
        if (count == 0)
        {
            return new double[tensor.Length];
        }
        double[] magnitudes = Array.ConvertAll(tensor, Math.Abs);
        Array.Sort(magnitudes);
        double least = magnitudes[^count];
        int equals = count - magnitudes.AsSpan(magnitudes.Length - count).ToArray().Count(magnitude => magnitude > least);
        return [.. tensor.Select(x => Math.Abs(x) > least || (Math.Abs(x) == least && equals-- > 0) ? x : 0)];
    }

    private static double[] Sum(double[][] tensors, IReadOnlyList<double> weights)
    {
        double[] sum = new double[tensors[0].Length];
        for (int i = 0; i < tensors.Length; i++)
        {
            TensorPrimitives.MultiplyAdd(tensors[i], weights[i], sum, sum);
        }
        return sum;
    }

    /// <summary>The weighted mean of those elements whose sign is the elected one.</summary>
    private double[] Agreeing(double[][] tensors, IReadOnlyList<double> weights)
    {
        double[] mean = new double[tensors[0].Length];
        for (int k = 0; k < mean.Length; k++)
        {
            double votes = 0;
            foreach (double[] tensor in tensors)
            {
                votes += majority == MajoritySign.Total ? tensor[k] : Math.Sign(tensor[k]);
            }
            int elected = votes >= 0 ? 1 : -1;
            double sum = 0;
            int agreeing = 0;
            for (int i = 0; i < tensors.Length; i++)
            {
                if (Math.Sign(tensors[i][k]) == elected)
                {
                    sum += weights[i] * tensors[i][k];
                    agreeing++;
                }
            }
            mean[k] = sum / Math.Max(agreeing, 1);
        }
        return mean;
    }
}
