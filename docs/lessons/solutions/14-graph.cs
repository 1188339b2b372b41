#:project ../checks/Checks.csproj

// # Exercise 14, solved: capture and replay
//
//   dotnet run docs/lessons/solutions/14-graph.cs -- --check

using PeftCore.Lessons;

return GraphCheck.Run(args, Capture);

static Action<float[]> Capture(float[] input, Action<Action<Action>> step)
{
    List<Action> graph = [];
    step(kernel =>
    {
        kernel();
        graph.Add(kernel);
    });
    return batch =>
    {
        batch.CopyTo(input, 0);
        graph.ForEach(kernel => kernel());
    };
}
