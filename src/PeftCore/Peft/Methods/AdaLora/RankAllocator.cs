using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.AdaLora;

/// <summary>Distributes AdaLoRA's ranks over the layers (Zhang et al. 2023, section 3.2). Sensitivity of a weight: |w·∂L/∂w|, an estimate
/// of the loss without it. Importance: the running mean of the sensitivity times its uncertainty, the running mean of its deviation. The
/// directions of highest importance are kept; their number follows a budget that falls with the cube of the remaining time.</summary>
internal sealed class RankAllocator
{
    private readonly Adapter _adapter;
    private readonly List<AdaLoraAdapter> _layers;
    private readonly Dictionary<Parameter, Importance> _importance = [];

    public RankAllocator(Adapter adapter)
    {
        _adapter = adapter;
        _layers = [.. adapter.Layers.Select(layer => layer.Layer).OfType<AdaLoraAdapter>()];
    }

    /// <summary>The configuration. <see cref="Adapter"/> holds it as the base type; the cast is safe because an AdaLoRA adapter is always
    /// created from an <see cref="AdaLoraConfig"/>.</summary>
    private AdaLoraConfig Config => (AdaLoraConfig)_adapter.Config;

    /// <summary>γ·mean(‖A·Aᵀ − I‖, ‖Bᵀ·B − I‖) over the layers: keeps A's rows and B's columns orthonormal.</summary>
    public Tensor Penalty()
    {
        using var scope = new TensorScope();
        Tensor? sum = null;
        foreach (var layer in _layers.Where(layer => layer.E.Shape[0] > 0))
        {
            var both = layer.A.Value.Orthogonality() + layer.B.Value.Orthogonality(ofColumns: true);
            sum = sum is null ? both : sum + both;
        }
        sum ??= _layers[0].A.Value.Backend.Zeros([1]);
        return scope.Return(sum * (float)(Config.OrthogonalWeight / (2 * _layers.Count)));
    }

    /// <summary>The state of a checkpoint: all directions, including the pruned ones, and the running means of each weight.</summary>
    public IEnumerable<SavedEntry> State()
    {
        foreach (var parameter in _adapter.Parameters)
        {
            yield return SavedEntry.Of(parameter);
        }
        foreach (var layer in _layers)
        {
            foreach (var (name, parameter) in new[] { ("lora_A", layer.A), ("lora_E", layer.E), ("lora_B", layer.B) })
            {
                var importance = Of(parameter);
                yield return SavedEntry.Of($"{layer.Path}.{name}.sensitivity", importance.Mean);
                yield return SavedEntry.Of($"{layer.Path}.{name}.uncertainty", importance.Uncertainty);
            }
            yield return Gone(layer);
        }
    }

    /// <summary>The pruning mask of a layer: 1 for a pruned direction, 0 for a kept one.</summary>
    private SavedEntry Gone(AdaLoraAdapter layer)
    {
        float[] gone = new float[layer.E.Shape[0]];
        for (int i = 0; i < gone.Length; i++)
        {
            gone[i] = layer.Mask is { } mask && !mask[i] ? 1 : 0;
        }
        var entry = SavedEntry.Of(layer.Path + ".gone", gone);
        return entry with
        {
            Read = stored =>
            {
                entry.Read(stored);
                layer.Mask = gone.Contains(1) ? Array.ConvertAll(gone, flag => flag == 0) : null;
                KeepPattern();
            },
        };
    }

    private void KeepPattern()
    {
        if (_layers.Exists(layer => layer.Mask is not null))
        {
            _adapter.Config = Config with
            {
                RankPattern = _layers.ToDictionary(layer => layer.PatternKey,
                    layer => (IReadOnlyList<bool>)(layer.Mask ?? [.. Enumerable.Repeat(true, layer.E.Shape[0])]),
                    StringComparer.Ordinal),
            };
        }
    }

    /// <summary>Updates the running means after an optimizer step, and allocates ranks in every <see cref="AdaLoraConfig.Interval"/>-th
    /// step between the initial and the final phase.</summary>
    public void AfterStep(long step)
    {
        if (Config.TotalSteps is not { } total || _layers[0].E.Value.Backend.IsMeta)
        {
            return;
        }
        long last = total - Config.FinalSteps;
        if (step < last)
        {
            Observe();
        }
        if (step > last)
        {
            _layers.ForEach(Silence);
        }
        else if (step == last || (step > Config.InitialSteps && step % Config.Interval == 0))
        {
            Allocate(Budget(step, last));
        }
    }

    /// <summary>The total number of directions that all layers keep: (initial − target)·(1 − t)³ + target, with t from 0 to 1 between the
    /// initial and the final phase.</summary>
    public int Budget(long step, long last)
    {
        int initial = _layers.Sum(layer => layer.E.Shape[0]), target = Config.TargetRank * _layers.Count;
        if (step <= Config.InitialSteps)
        {
            return initial;
        }
        double left = step >= last ? 0 : 1 - (double)(step - Config.InitialSteps) / (last - Config.InitialSteps);
        return (int)((initial - target) * (left * left * left) + target);
    }

    private void Observe()
    {
        foreach (var parameter in _layers.SelectMany(layer => new[] { layer.A, layer.E, layer.B }))
        {
            if (parameter.Gradient is { } gradient)
            {
                Of(parameter).Observe(parameter.Value.ToArray<float>(), gradient.ToArray<float>(), (float)Config.Beta1,
                    (float)Config.Beta2);
            }
        }
    }

    private Importance Of(Parameter parameter)
    {
        if (!_importance.TryGetValue(parameter, out var importance))
        {
            _importance.Add(parameter, importance = new Importance(parameter.Shape.Count));
        }
        return importance;
    }

    private void Allocate(int budget)
    {
        var scores = _layers.ConvertAll(Scores);
        float[] all = [.. scores.SelectMany(score => score)];
        int gone = all.Length - budget;
        Array.Sort(all);
        float threshold = gone > 0 ? all[Math.Min(gone, all.Length) - 1] : float.NegativeInfinity;
        foreach (var (layer, score) in _layers.Zip(scores))
        {
            layer.Mask = Array.ConvertAll(score, value => value > threshold);
            Silence(layer);
        }
        KeepPattern();
    }

    /// <summary>Importance of each direction: the importance of its e plus the mean importance of its row of A and of its column of
    /// B.</summary>
    private float[] Scores(AdaLoraAdapter layer)
    {
        int rank = layer.E.Shape[0], inputs = layer.A.Shape[1], outputs = layer.B.Shape[0];
        float[] score = new float[rank];
        for (int i = 0; i < rank; i++)
        {
            float a = 0, b = 0;
            for (int k = 0; k < inputs; k++)
            {
                a += Score(layer.A, (long)i * inputs + k);
            }
            for (int k = 0; k < outputs; k++)
            {
                b += Score(layer.B, (long)k * rank + i);
            }
            score[i] = Score(layer.E, i) + a / inputs + b / outputs;
        }
        return score;
    }

    private float Score(Parameter parameter, long index) => _importance.TryGetValue(parameter, out var importance) ? importance.Score(index)
        : 0;

    /// <summary>Sets e of pruned directions to zero.</summary>
    private static void Silence(AdaLoraAdapter layer)
    {
        if (layer.Mask is { } mask)
        {
            float[] e = layer.E.Value.ToArray<float>();
            for (int i = 0; i < e.Length; i++)
            {
                e[i] = mask[i] ? e[i] : 0;
            }
            layer.E.Value.Upload<float>(e);
        }
    }

    /// <summary>Running means of the sensitivity of each element of a parameter, and of its uncertainty.</summary>
    private sealed class Importance(long count)
    {
        public float[] Mean { get; } = new float[count];

        public float[] Uncertainty { get; } = new float[count];

        public void Observe(float[] values, float[] gradient, float beta1, float beta2)
        {
            for (long i = 0; i < count; i++)
            {
                float sensitivity = Math.Abs(values[i] * gradient[i]);
                Mean[i] = beta1 * Mean[i] + (1 - beta1) * sensitivity;
                Uncertainty[i] = beta2 * Uncertainty[i] + (1 - beta2) * Math.Abs(sensitivity - Mean[i]);
            }
        }

        public float Score(long index) => Mean[index] * Uncertainty[index];
    }
}
