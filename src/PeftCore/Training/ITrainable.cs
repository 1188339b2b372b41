using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Training;

/// <summary>What a <see cref="Trainer"/> can train: a model of which some parameters train, and how those are kept on disk.</summary>
public interface ITrainable
{
    /// <summary>The model whose loss is lowered.</summary>
    CausalModel Model { get; }

    /// <summary>What trains, by names that differ.</summary>
    IReadOnlyList<(string Name, Parameter Parameter)> Parameters { get; }

    /// <summary>Runs before each step.</summary>
    /// <param name="step">The step, counted from 1.</param>
    /// <param name="batches">Batches whose gradients the step adds up.</param>
    void BeforeStep(long step, int batches) { }

    /// <summary>Parameters whose elements have changed places in the last step, with the place each element had before, −1 for a new
    /// one.</summary>
    IReadOnlyList<(Parameter Parameter, int[] Before)> TakePermutations() => [];

    /// <summary>Runs after each step of the optimizer, while the gradients are still there.</summary>
    /// <param name="step">Steps done, counted from 1.</param>
    void AfterStep(long step) { }

    /// <summary>What a pass depends on beside the batch and the values of tensors that stay where they are, if a recorded pass may stand
    /// for the pass itself; null if it may not.</summary>
    string? ReplayKey => null;

    /// <summary>Writes what trains into a directory, exactly: what is loaded later must equal it bit for bit.</summary>
    void Save(string directory);

    /// <summary>Reads into the parameters what <see cref="Save"/> wrote.</summary>
    /// <exception cref="BadInputException">The directory does not hold these parameters.</exception>
    void Load(string directory);
}
