using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>A step that calls an observer between the backward passes and the update, while the gradients exist. It computes what the
/// wrapped step computes.</summary>
/// <param name="step">The step.</param>
/// <param name="gradientsReady">Called before each update.</param>
internal sealed class ObservedStep(ITrainingStep step, Action gradientsReady) : ITrainingStep
{
    public ITrainable Trainable => step.Trainable;

    public Tensor ForwardBackward(Batch batch, int targets) => step.ForwardBackward(batch, targets);

    public Tensor ForwardBackward(ModelInputs inputs, Targets targets) => step.ForwardBackward(inputs, targets);

    public double Update(double loss, double learningRate, int number)
    {
        gradientsReady();
        return step.Update(loss, learningRate, number);
    }

    public void Dispose() => step.Dispose();
}
