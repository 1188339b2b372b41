using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>The parts of an optimizer step: forward and backward of a micro batch, and the update. <see cref="TrainingSteps.Run"/> runs
/// them in order. A decorator wraps another step and changes how a part runs, never what it computes: see
/// <see cref="TrainerOptions.NewStep"/>.</summary>
internal interface ITrainingStep : IDisposable
{
    /// <summary>The model and the parameters that are trained.</summary>
    ITrainable Trainable { get; }

    /// <summary>Forward and backward pass over one micro batch; adds to the gradients of the parameters.</summary>
    /// <param name="batch">The micro batch, with at least one target.</param>
    /// <param name="targets">Number of targets of all micro batches of the step, the denominator of the loss.</param>
    /// <returns>The micro batch's part of the loss, a scalar that the caller disposes.</returns>
    Tensor ForwardBackward(Batch batch, int targets);

    /// <summary>Forward and backward pass over a micro batch that is on the device.</summary>
    /// <returns>The micro batch's part of the loss, a scalar that the caller disposes.</returns>
    Tensor ForwardBackward(ModelInputs inputs, Targets targets);

    /// <summary>Clips the gradients and updates the parameters.</summary>
    /// <param name="loss">The loss of the step.</param>
    /// <param name="learningRate">The learning rate.</param>
    /// <param name="number">Number of the step, from 0.</param>
    /// <returns>The L2 norm of all gradients, before clipping.</returns>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; no parameter was changed.</exception>
    double Update(double loss, double learningRate, int number);
}

/// <summary>The order of an optimizer step.</summary>
internal static class TrainingSteps
{
    extension(ITrainingStep step)
    {
        /// <summary>Runs one optimizer step on the mean loss of all targets of all micro batches. Training, the memory plan and the
        /// benchmarks call this method. All memory that it allocates is free again when it returns.</summary>
        /// <param name="microBatches">Batches whose gradients are accumulated.</param>
        /// <param name="learningRate">The learning rate.</param>
        /// <param name="number">Number of the step, from 0.</param>
        /// <param name="firstPass">Number of the first micro batch since the run began: the counter of the dropout masks.</param>
        /// <exception cref="BadInputException">No micro batch has a target.</exception>
        /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; no parameter was changed.</exception>
        public StepResult Run(IReadOnlyList<Batch> microBatches, double learningRate, int number = 0, ulong firstPass = 0)
        {
            // 1. The denominator: targets of all micro batches, as the collator counted them.
            int targets = Batch.TargetCount(microBatches);
            if (targets == 0)
            {
                throw new BadInputException(
                    $"step {number + 1} has no token to learn: every label of its samples is masked; " +
                    "check the prompts and the maximum length");
            }
            var trainable = step.Trainable;
            var mode = trainable.Model.Mode;
            bool before = mode.Training;
            mode.Training = true;
            try
            {
                // 2. Forward and backward of each micro batch; the gradients accumulate.
                double loss = 0;
                int tokens = 0;
                trainable.BeforeStep(number + 1, microBatches.Count);
                for (int i = 0; i < microBatches.Count; i++)
                {
                    var batch = microBatches[i];
                    tokens += batch.Tokens;
                    mode.Step = firstPass + (ulong)i;
                    if (batch.TrainableTokens > 0)
                    {
                        using var part = step.ForwardBackward(batch, targets);
                        loss += part.Item();
                    }
                }

                // 3. Check, clip, update.
                double norm = step.Update(loss, learningRate, number);
                return new StepResult(loss, norm, tokens, targets);
            }
            finally
            {
                // 4. Free the gradients.
                for (int i = 0; i < trainable.Parameters.Count; i++)
                {
                    trainable.Parameters[i].Parameter.Value.FreeGradient();
                }
                mode.Training = before;
            }
        }
    }
}
