#:project ../checks/Checks.csproj

// # Exercise 11: forgetting over several tasks
//
//   dotnet run docs/lessons/exercises/11-forgetting.cs -- --check
//
// A model learns tasks 0, 1, … one after the other. losses[i][j] is its loss on task j after training on task i. The forgetting of task j
// is its loss at the end less the best loss that it had from its own training on (Chaudhry et al. 2018, who measure accuracy):
//
//     fⱼ = losses[last][j] − min over j ≤ i < last of losses[i][j]
//
// Return the mean over all tasks but the last, which had no time to be forgotten.

using PeftCore.Lessons;

return ForgettingCheck.Run(args, Forgetting);

static double Forgetting(double[][] losses) =>
    throw new NotImplementedException("return the mean forgetting");
