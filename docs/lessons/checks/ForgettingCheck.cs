namespace PeftCore.Lessons;

/// <summary>Exercise 11: the mean forgetting over a sequence of tasks.</summary>
public static class ForgettingCheck
{
    /// <summary>Tries tables of losses.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="forgetting">The mean forgetting from losses[i][j], the loss on task j after training on task i.</param>
    public static int Run(string[] args, Func<double[][], double> forgetting) => Check.Run(args, "11-forgetting",
        "forgetting is the last loss less the best one before, averaged over all tasks but the last", () =>
        {
            That([[1, 9], [3, 1]], 2, "task 0 rose from 1 to 3");
            That([[2, 9, 9], [1, 1, 9], [4, 1.5, 1]], (3 + 0.5) / 2, "the best loss on task 0 was 1, after training on task 1");
            That([[2, 9], [1, 1]], -1, "training on task 1 helped task 0; forgetting is negative then");

            void That(double[][] losses, double expected, string why)
            {
                double answer = forgetting(losses);
                Check.That(Math.Abs(answer - expected) < 1e-9, $"the forgetting is {expected:0.00} ({why}); the answer is {answer:0.00}");
            }
        });
}
