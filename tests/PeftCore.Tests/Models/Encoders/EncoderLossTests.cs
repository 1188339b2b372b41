using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Tests.Models.Encoders;

/// <summary>The losses of encoders' heads where no reference numbers give them.</summary>
public sealed class EncoderLossTests : EncoderFixture
{
    [Test]
    public void A_regression_learns_numbers()
    {
        var model = TinyEncoders.Model(Backend, "bert", TinyEncoders.Task(ModelTask.SequenceClassification, labels: 1));
        var inputs = Inputs(model, TinyEncoders.Ids(2, 5), null, 2);
        float[] y = model.Logits(inputs).ToFloats();
        float loss = model.Loss(inputs, Targets.FromValues(Backend, [0.5f, -1], batch: 2)).Item();
        Assert.That(loss, Is.EqualTo((Math.Pow(y[0] - 0.5, 2) + Math.Pow(y[1] + 1, 2)) / 2).Within(1e-5));
    }

    [Test]
    public void Each_of_several_classes_has_a_binary_cross_entropy()
    {
        var model = TinyEncoders.Model(Backend, "bert", new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b", "c"],
            ProblemType = "multi_label_classification",
        });
        var inputs = Inputs(model, TinyEncoders.Ids(2, 5), null, 2);
        int[] labels = [1, 0, 1, 0, 0, 1];
        double[] x = [.. model.Logits(inputs).ToFloats().Select(value => (double)value)];
        double[] entropies = [.. x.Zip(labels, (logit, label) => -Math.Log(1 / (1 + Math.Exp(label == 1 ? -logit : logit))))];
        Assert.That(model.Loss(inputs, model.ToTargets(labels, 2)).Item(), Is.EqualTo(entropies.Average()).Within(1e-5));
        Assert.That(model.Loss(inputs, model.ToTargets(labels, 2, denominator: 4)).Item(), Is.EqualTo(entropies.Average() / 2).Within(1e-5),
            "a micro batch of a step of four texts");
        Assert.That(model.ProblemType, Is.EqualTo("multi_label_classification"));
        Assert.That(() => model.Loss(inputs, Targets.Unshifted(Backend, [1, 0], 2)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("give 0 or 1 for each class"));
        Assert.That(() => model.Loss(inputs, model.ToTargets([1, 0], 2)), Throws.Exception, "two numbers are no row of three");
    }

    [Test]
    public void The_gradient_of_several_classes_is_the_probability_minus_the_label()
    {
        var model = TinyEncoders.Model(Backend, "bert", new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b", "c"],
            ProblemType = "multi_label_classification",
        });
        var bias = model.NamedParameters().Single(p => p.Path == "classifier.bias").Parameter;
        bias.RequiresGrad = true;
        var inputs = Inputs(model, TinyEncoders.Ids(1, 5), null, 1);
        float[] x = model.Logits(inputs).ToFloats();
        using var tape = new Tape();
        tape.Backward(model.Loss(inputs, model.ToTargets([1, 0, 1], 1)));
        float[] expected = [.. x.Select((logit, c) => (float)(1 / (1 + Math.Exp(-logit)) - (c == 1 ? 0 : 1)) / 3)];
        Assert.That(bias.Value.Gradient!.ToFloats(), Is.EqualTo(expected).Within(1e-6));
    }

    [Test]
    public void A_problem_that_contradicts_the_head_or_the_task_is_refused()
    {
        Assert.That(() => ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            Labels = ["a", "b"],
            ProblemType = "regression",
        }), Throws.TypeOf<BadInputException>().With.Message.Contains("problem_type is \"regression\", but there are 2 classes"));
        Assert.That(() => ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions { ProblemType = "regression" }),
            Throws.TypeOf<BadInputException>().With.Message.Contains("the task is masked-lm; choose seq-cls"));
        Assert.That(ModelLoader.Declare(TinyEncoders.Config("bert"), task: new TaskOptions
        {
            Task = ModelTask.SequenceClassification,
            ProblemType = "regression",
        }).Labels, Has.Count.EqualTo(1), "a new head predicts one number");
    }

    [Test]
    public void Pairs_of_texts_are_ranked_by_cosine_similarity([Values("mean", "cls", "last")] string pooling)
    {
        var model = TinyEncoders.Model(Backend, "bert", new TaskOptions { Task = ModelTask.FeatureExtraction, Pooling = pooling });
        int[] mask = [1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0];
        var inputs = Inputs(model, TinyEncoders.Ids(4, 4), mask, 4);
        float[] e = model.Logits(inputs).ToFloats(), hidden = model.Hidden(inputs).ToFloats();
        int c = model.HiddenSize;
        float[] expected = pooling switch
        {
            "cls" => hidden[(4 * c)..(5 * c)],
            "last" => hidden[(6 * c)..(7 * c)],
            _ => [.. Enumerable.Range(0, c).Select(i => (hidden[4 * c + i] + hidden[5 * c + i] + hidden[6 * c + i]) / 3)],
        };
        Assert.That(e[c..(2 * c)], Is.EqualTo(expected).Within(1e-5f));
        double loss = 0;
        for (int i = 0; i < 2; i++)
        {
            double[] scores = [.. Enumerable.Range(2, 2).Select(j => 20 * Cosine(e, i, j, c))];
            loss += Math.Log(scores.Sum(Math.Exp)) - scores[i];
        }
        Assert.That(model.Loss(inputs, model.ToTargets([0, 1], 2)).Item(), Is.EqualTo(loss / 2).Within(1e-4));
    }

    private static double Cosine(float[] e, int i, int j, int c)
    {
        double dot = 0, a = 0, b = 0;
        for (int k = 0; k < c; k++)
        {
            dot += e[i * c + k] * (double)e[j * c + k];
            a += e[i * c + k] * (double)e[i * c + k];
            b += e[j * c + k] * (double)e[j * c + k];
        }
        return dot / Math.Sqrt(a * b);
    }
}
