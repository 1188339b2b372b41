using System.Numerics.Tensors;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;
using Tensor = PeftCore.Tensors.Tensor;

namespace PeftCore.Peft.Lora;

/// <summary>Converts any adapter that changes weights to a LoRA: the best approximation of each layer's ΔW of the LoRA's rank, which is its
/// truncated singular value decomposition (Eckart and Young 1936).</summary>
internal sealed class LoraConversion
{
    private readonly Adapter _adapter;
    private readonly int _rank;
    private readonly List<SafetensorsTensor> _tensors = [];
    private readonly List<(string Path, double Error)> _layers = [];

    /// <param name="adapter">The adapter to convert.</param>
    /// <param name="rank">The LoRA's rank.</param>
    /// <param name="find">Finds the base's module of a path.</param>
    public LoraConversion(Adapter adapter, int rank, Func<string, Module> find)
    {
        (_adapter, _rank) = (adapter, rank);
        Hyperparameters.Rank(rank, "rank");
        if (adapter.MergeProblem is { } whole)
        {
            throw new BadInputException($"adapter \"{adapter.Name}\" cannot become a LoRA: {whole}");
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            Add(path, layer, find(path));
        }
    }

    /// <summary>The error of each layer.</summary>
    public IReadOnlyList<(string Path, double Error)> Layers => _layers;

    /// <summary>The LoRA's configuration: scale 1, on exactly the layers of the adapter.</summary>
    public LoraConfig Config => new()
    {
        TaskType = _adapter.Config.TaskType,
        BaseModelNameOrPath = _adapter.Config.BaseModelNameOrPath,
        Revision = _adapter.Config.Revision,
        Rank = _rank,
        Alpha = _rank,
        TargetModules = ModuleSelector.Of([.. _layers.Select(layer => layer.Path)]),
        Bias = (_adapter.Config as TargetedConfig)?.Bias ?? BiasMode.None,
        ModulesToSave = (_adapter.Config as TargetedConfig)?.ModulesToSave,
    };

    /// <summary>The tensors of the LoRA's file, including biases and modules that are trained in full.</summary>
    public IEnumerable<SafetensorsTensor> Tensors =>
        _tensors.Concat(_adapter.Swaps.Where(swap => swap.IsTrainable).Select(swap => SavedEntry.Of(swap.Parameter).ToFile()));

    /// <summary>ΔW (out, in) of a layer in double precision.</summary>
    public static double[] Delta(string path, LayerAdapter adapter, MatrixLayer layer)
    {
        using var scope = new TensorScope();
        var stored = layer.Matrix;
        var plain = Wide(stored);
        // A method that only adds to the weight is merged into zeros, which loses no precision; one that scales the weight needs its
        // values.
        bool adds = adapter is DeltaAdapter or LoraLayer { UsesDora: false };
        var changed = adds ? stored.Backend.Zeros(stored.Shape) : Wide(stored);
        var bias = layer.Bias is { } own ? Wide(own.Value) : null;
        if (adapter.MergeProblem is { } problem)
        {
            throw new BadInputException($"\"{path}\" cannot become a LoRA: {problem}");
        }
        if (adapter.Merge(changed, bias, adds ? plain : null))
        {
            throw new BadInputException(
                $"\"{path}\" cannot become a LoRA: the adapter changes its bias as well, for which a LoRA has no place");
        }
        if (!adds)
        {
            plain.Backend.Scale(plain, -1, changed, accumulate: true);
        }
        double[] delta = changed.ToDoubles();
        return layer.Transposed ? Dense.Transpose(delta, layer.Inputs, layer.Outputs) : delta;
    }

    private void Add(string path, LayerAdapter adapter, Module module)
    {
        if (module is not MatrixLayer layer)
        {
            throw new BadInputException(
                $"\"{path}\" is a {module.GetType().Name}; only updates of linear layers and convolutions become a LoRA");
        }
        if ((long)_rank * Math.Max(layer.Inputs, layer.Outputs) > Array.MaxLength)
        {
            throw new BadInputException($"rank is {_rank}, which is too large for a factor of \"{path}\"; its update has a rank of at most " +
                $"{Math.Min(layer.Inputs, layer.Outputs)}");
        }
        double[] delta = Delta(path, adapter, layer);
        if (!delta.All(double.IsFinite))
        {
            throw new BadInputException($"adapter \"{_adapter.Name}\" holds NaN or infinity in \"{path}\" and cannot be converted");
        }
        int r = Math.Min(_rank, Math.Min(layer.Inputs, layer.Outputs));
        var (u, s, v) = Factorization.TruncatedSvd(delta, layer.Outputs, layer.Inputs, r);
        double whole = TensorPrimitives.SumOfSquares(delta), kept = TensorPrimitives.SumOfSquares(s);
        _layers.Add((path, whole > 0 ? Math.Sqrt(Math.Max(0, whole - kept) / whole) : 0));
        float[] a = new float[_rank * layer.Inputs], b = new float[layer.Outputs * _rank];
        for (int i = 0; i < r; i++)
        {
            double root = Math.Sqrt(s[i]);
            for (int k = 0; k < layer.Inputs; k++)
            {
                a[i * layer.Inputs + k] = (float)(v[i * layer.Inputs + k] * root);
            }
            for (int o = 0; o < layer.Outputs; o++)
            {
                b[o * _rank + i] = (float)(u[o * r + i] * root);
            }
        }
        string prefix = AdapterParameter.Prefix + path;
        _tensors.Add(SafetensorsTensor.Of(prefix + ".lora_A.weight", "F32", [.. layer.ShapeOfDown(_rank)], a));
        _tensors.Add(SafetensorsTensor.Of(prefix + ".lora_B.weight", "F32", [.. layer.ShapeOfUp(_rank)], b));
    }

    private static Tensor Wide(Tensor value)
    {
        var wide = value.NewLike(value.Shape, DType.F32, MemoryKind.Workspace);
        value.Backend.Cast(value, wide);
        return wide;
    }
}
