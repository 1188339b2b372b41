using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft;
using PeftCore.Peft.Sparse;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Scores the entries of a model's weights, to choose those to train. The device never holds the gradient of a whole weight: it is
/// computed for a few rows at a time and added to the scores in host memory.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
/// var scores = WeightSelection.Score(model.Base, SelectionCriterion.Magnitude);
/// var mask = scores.Choose(density: 0.01);
/// model.AddAdapter(new SparseConfig { Mask = mask });
/// Console.WriteLine($"{mask.Count:N0} of {scores.Count:N0} entries train");
/// </code>
/// </example>
public static class WeightSelection
{
    /// <summary>Prepares a configuration for attaching: chooses the entries of a sparse one whose criterion needs data.</summary>
    /// <param name="model">The model, without adapters.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="batches">The data; read only if the criterion needs them.</param>
    /// <param name="cancel">Cancels between two batches.</param>
    public static PeftConfig Prepare(TransformerModel model, PeftConfig config, IEnumerable<Batch> batches,
        CancellationToken cancel = default) =>
        config is SparseConfig { NeedsData: true } sparse
            ? sparse with
            {
                Mask = Score(model, sparse.Criterion, batches, sparse.TargetModules, cancel: cancel)
                .Choose(sparse.Density, sparse.Scope, sparse.Threshold)
            }
            : config;

    /// <summary>Scores every entry of the weights of linear layers.</summary>
    /// <param name="model">The model, without adapters.</param>
    /// <param name="criterion">The criterion.</param>
    /// <param name="batches">The data for gradients; unused for magnitude and random scores.</param>
    /// <param name="targets">The layers; null for all but the head.</param>
    /// <param name="seed">Seed of random scores.</param>
    /// <param name="cancel">Cancels between two batches.</param>
    /// <exception cref="BadInputException">An adapter is attached, a target is not a linear layer, or there are no data.</exception>
    public static WeightScores Score(TransformerModel model, SelectionCriterion criterion, IEnumerable<Batch>? batches = null,
        ModuleSelector? targets = null, ulong seed = 0,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        var layers = TargetMatching.Find(model, targets ?? ModuleSelector.Matching(ModuleSelector.AllLinear), new TargetFilter(),
            module => module is Linear, "no linear layer");
        if (layers.Find(layer => layer.Layer.Hook is not null) is { Path: { } taken })
        {
            throw new BadInputException($"entries are chosen on the base alone, but an adapter is on \"{taken}\"; unload it first");
        }
        layers.ForEach(layer => SparseMask.RefuseTooLarge(layer.Path, (Linear)layer.Layer)); // The filter above let only these through.
        if (criterion is SelectionCriterion.Magnitude or SelectionCriterion.Random)
        {
            return new WeightScores(
                [.. layers.Select((layer, number) => KeyValuePair.Create(layer.Path, criterion == SelectionCriterion.Magnitude
                ? Array.ConvertAll(WeightOf(layer.Layer), Math.Abs)
                : SparseConfig.RandomScores(seed, (ulong)number, layer.Layer.OwnParameter("weight")!.Shape.Count)))]);
        }
        var sums = layers.ConvertAll(
            layer => (layer.Path, Layer: (Linear)layer.Layer, Sum: new GradientSum(layer.Layer.OwnParameter("weight")!.Shape.Count,
                criterion == SelectionCriterion.Fisher)));
        Gather(model, sums, batches ?? throw new BadInputException($"{criterion} scores need data"), cancel);
        return new WeightScores(
            [.. sums.Select(layer => KeyValuePair.Create(layer.Path, Scores(criterion, layer.Sum.Values, layer.Layer)))]);
    }

    /// <summary>Adds up the gradients of all batches.</summary>
    private static void Gather(TransformerModel model, List<(string Path, Linear Layer, GradientSum Sum)> layers,
        IEnumerable<Batch> batches,
        CancellationToken cancel)
    {
        var backend = model.Backend;
        using var probe = backend.Zeros([1]).Keep();
        probe.TrackGradient();
        layers.ForEach(layer => layer.Layer.Hook = new ObservingHook(layer.Layer, probe, layer.Sum));
        bool any = false;
        using var evaluation = new EvalModeScope(model.Mode);
        try
        {
            foreach (var batch in batches.Where(batch => batch is null or { TrainableTokens: > 0 }))
            {
                ArgumentNullException.ThrowIfNull(batch, nameof(batches));
                cancel.ThrowIfCancellationRequested();
                any = true;
                using var scope = new TensorScope();
                using var tape = new Tape();
                tape.Backward(model.Loss(batch.ToInputs(model), batch.ToTargets(model)));
                probe.FreeGradient();
            }
        }
        finally
        {
            layers.ForEach(layer => layer.Layer.Hook = null);
            probe.UntrackGradient();
        }
        if (!any)
        {
            throw new BadInputException("there are no data to take gradients over: every label is masked");
        }
    }

    private static float[] Scores(SelectionCriterion criterion, float[] sums, Linear layer) => criterion switch
    {
        SelectionCriterion.Gradient => Array.ConvertAll(sums, Math.Abs),
        SelectionCriterion.Snip => [.. WeightOf(layer).Zip(sums, (w, g) => Math.Abs(w * g))],
        SelectionCriterion.Movement => [.. WeightOf(layer).Zip(sums, (w, g) => -w * g)],
        _ => sums,
    };

    private static float[] WeightOf(Layer layer) => layer.OwnParameter("weight")!.Value.ToFloats();

    /// <summary>Σ g or Σ g² over passes.</summary>
    private sealed class GradientSum(long count, bool squares) : IWeightGradientObserver
    {
        public float[] Values { get; } = new float[count];

        public void See(Tensor piece, long firstElement)
        {
            float[] gradient = piece.ToArray<float>();
            for (int i = 0; i < gradient.Length; i++)
            {
                Values[firstElement + i] += squares ? gradient[i] * gradient[i] : gradient[i];
            }
        }
    }

    private sealed class ObservingHook(Linear layer, Tensor probe, IWeightGradientObserver observer) : LayerHook
    {
        public override Tensor Forward(Tensor x) =>
            x.ObservedLinear(layer.Weight.Value, layer.Bias?.Value, layer.Transposed, probe, observer);
    }
}
