using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Optim;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A model with parameters to train, as a <see cref="Trainer"/> needs it: hooks around each step, and how the parameters are
/// written to checkpoints. <see cref="TrainableAdapter"/> is the library's.</summary>
internal interface ITrainable
{
    /// <summary>The model whose loss is minimised.</summary>
    TransformerModel Model { get; }

    /// <summary>The parameters that are trained, under unique names.</summary>
    IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; }

    /// <summary>Parameters beside the model's that do not train, such as LoRA's A while only B trains.</summary>
    IEnumerable<(string Name, Parameter Parameter)> Frozen => [];

    /// <summary>The frozen parameters of the model in whose place copies train, with the paths of their modules.</summary>
    IEnumerable<(string Module, string Name, Parameter Original)> Replaced => [];

    /// <summary>The copies that train in their place.</summary>
    IReadOnlyCollection<Parameter> Copies => [];

    /// <summary>Constants that are in memory beside the parameters, such as projections that are drawn once.</summary>
    IEnumerable<(string Name, Tensor Value)> Constants => [];

    /// <summary>Whether steps have the roundings of Hugging Face PEFT's: see <see cref="Peft.PeftModel.GradientsLikeReference"/>.</summary>
    bool LikeReference => false;

    /// <summary>Freezes the factors A of LoRA, for <see cref="OptimizerKind.LoraFa"/>; <see cref="Parameters"/> are those that still train.
    /// Repeating it changes nothing.</summary>
    /// <returns>The factors of each layer.</returns>
    /// <exception cref="BadInputException">What trains is no plain LoRA of linear layers.</exception>
    IReadOnlyList<FactorPair> FreezeDownProjections() => throw LoraFaRules.Refusal("what trains here is no LoRA");

    /// <summary>Called before each step.</summary>
    /// <param name="step">Number of the step, from 1.</param>
    /// <param name="batches">Micro batches of the step.</param>
    void BeforeStep(long step, int batches) { }

    /// <summary>The parameters whose elements the last step has permuted, such as sparse values at newly selected entries, with the former
    /// index of each element, −1 for a new one. The optimizer permutes its moments in the same way.</summary>
    IReadOnlyList<(Parameter Parameter, int[] Before)> TakePermutations() => [];

    /// <summary>Called after each update, before the gradients are freed.</summary>
    /// <param name="step">Number of the step, from 1.</param>
    void AfterStep(long step) { }

    /// <summary>Key of everything that a forward and backward pass depends on besides the batch and the tensors that it reads: a captured
    /// graph is launched again only for the same key. Null if the passes cannot be captured, because they depend on the step or need the
    /// host.</summary>
    string? CaptureKey => null;

    /// <summary>Writes the parameters to a directory without loss: <see cref="Load"/> restores the same bits.</summary>
    void Save(string directory);

    /// <summary>Restores the parameters that <see cref="Save"/> wrote.</summary>
    /// <exception cref="BadInputException">The directory does not hold these parameters.</exception>
    void Load(string directory);
}
