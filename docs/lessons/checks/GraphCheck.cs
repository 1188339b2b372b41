namespace PeftCore.Lessons;

/// <summary>Exercise 14: capture a step, and replay it on other batches.</summary>
public static class GraphCheck
{
    /// <summary>Captures a step of two kernels.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <param name="capture">From the static input and a step, which hands each of its kernels to a recorder: the replay on a
    /// batch.</param>
    public static int Run(string[] args, Func<float[], Action<Action<Action>>, Action<float[]>> capture) => Check.Run(args, "14-graph",
        "the step ran once, its kernels run at each replay and read the new batch", () =>
        {
            float[] input = [1, 2], sum = [0];
            int steps = 0, kernels = 0;
            var replay = capture(input, record =>
            {
                steps++;
                record(() => { kernels++; sum[0] = 0; });
                record(() => { kernels++; sum[0] = input[0] + 10 * input[1]; });
            });
            Check.That(steps == 1, $"capturing should run the step once; it ran {steps} times");
            Check.That(kernels == 2 && sum[0] == 21,
                "a kernel that is recorded should also run: the captured step is a step of the training");
            replay([3, 4]);
            Check.That(steps == 1, "a replay repeats the recorded kernels; it should not run the step again");
            Check.That(kernels == 4, $"a replay should run both kernels once; {kernels - 2} ran");
            Check.That(sum[0] != 21, "the kernels read the old batch: copy the new one into the static input first");
            Check.That(sum[0] == 43, $"the result is {sum[0]} and should be 3 + 10·4 = 43");
            replay([5, 0]);
            Check.That(sum[0] == 5, $"the result of a second replay is {sum[0]} and should be 5");
        });
}
